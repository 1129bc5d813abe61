// A small tilt and focus series of a gold particle with frozen phonons and a limited dose, simulated into a folder and read
// back, in C++. The same example exists in every host language and prints the same numbers.
//
//   simulate_series FOLDER
//
// A run that was stopped goes on when it is started again.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "aet.hpp"

namespace {

// 43 atoms of a face-centred crystal around the origin.
aet::Atoms particle() {
    std::vector<double> positions;
    for (int i = -2; i <= 2; ++i) {
        for (int j = -2; j <= 2; ++j) {
            for (int k = -2; k <= 2; ++k) {
                if ((i + j + k) % 2 != 0 || i * i + j * j + k * k > 6) continue;
                for (const int n : {i, j, k}) positions.push_back(2.039 * n);
            }
        }
    }
    const auto count = static_cast<std::int64_t>(positions.size() / 3);
    const std::vector<std::int32_t> gold(positions.size() / 3, 79);
    const std::vector<double> factors(positions.size() / 3, 0.6);
    return aet::Atoms(aet::ConstView(positions, {count, 3}), aet::Atoms::Options{}.species(aet::ConstView(gold)))
        .with_column("debye_waller_b", aet::ConstView(factors));
}

void solve(const char *folder) {
    const aet::Context context;
    const auto atoms = particle();
    const aet::Probe probe(300e3, 20);
    const aet::Detector detector(aet::Detector::Options(aet::DetectorKind::annular).inner_mrad(30).outer_mrad(50));
    // Three tilts about y whose matrices are exact in decimals, so that all languages have the same ones: p' = R p.
    const std::vector<double> rotations{0.8, 0, -0.6, 0, 1, 0, 0.6,  0, 0.8, // one row each
                                        1,   0, 0,    0, 1, 0, 0,    0, 1,   //
                                        0.8, 0, 0.6,  0, 1, 0, -0.6, 0, 0.8};
    const std::vector<double> foci{-4, 4};
    // Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits.
    const auto options =
        aet::SeriesOptions(aet::ConstView(rotations, {3, 3, 3}), aet::ConstView(foci))
            .simulation(aet::Simulation::Options(300e3).pixel_size(0.12).precision(aet::Precision::f64))
            .instrument(aet::Instrument{}.dose_per_a2(1e5).seed(2))
            .shape(8, 8)
            .pixel_size(1)
            .vacuum(2)
            .phonons(2, 1);
    const auto memory = aet::estimate_series_memory(context, atoms, probe, detector, options);
    std::int64_t probes = 0;
    aet::simulate_series(context, atoms, probe, detector, options, folder, [&](const aet::Progress &p) {
        probes = p.probes;
        std::fprintf(stderr, "\rtilt %" PRId64 " of %" PRId64 ", probe %" PRId64 " of %" PRId64, p.tilt + 1, p.tilts,
                     p.probe, p.probes);
        return true; // go on
    });
    std::fprintf(stderr, "\n");

    const auto series = aet::TiltSeries::read(context, folder);
    const auto counts = series.column("images");
    double electrons = 0, squares = 0, brightest = 0;
    for (const double count : counts) {
        electrons += count;
        squares += count * count;
        brightest = std::max(brightest, count);
    }
    std::printf("atoms=43 images=%" PRId64 " rows=%" PRId64 " columns=%" PRId64 " probes=%" PRId64 " memory=%" PRIu64
                " electrons=%.12e squares=%.12e brightest=%.12e\n",
                series.image_count(), series.rows(), series.columns(), probes, memory, electrons, squares, brightest);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    try {
        solve(argv[1]);
        return EXIT_SUCCESS;
    } catch (const aet::error &failure) {
        std::fprintf(stderr, "%s: %s\n", failure.name(), failure.what());
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "%s\n", failure.what());
    }
    return EXIT_FAILURE;
}
