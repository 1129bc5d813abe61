// A scan of a small gold particle and the gradient of its misfit with respect to the atoms, in C++. The same example
// exists in every host language and prints the same numbers.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "aet.hpp"

namespace {

constexpr double cell = 16; // edge of the cubic cell, A

bool show(const aet::Progress &p) {
    std::fprintf(stderr, "\rsimulating %3.0f %%", 100 * p.fraction());
    return true; // go on
}

// 43 atoms of a face-centred crystal around the middle of the cell, the first one moved by `shift` A along x.
aet::Atoms particle(double shift) {
    std::vector<double> positions;
    for (int i = -2; i <= 2; ++i) {
        for (int j = -2; j <= 2; ++j) {
            for (int k = -2; k <= 2; ++k) {
                if ((i + j + k) % 2 != 0 || i * i + j * j + k * k > 6) continue;
                for (const int n : {i, j, k}) positions.push_back(0.5 * cell + 2.039 * n);
            }
        }
    }
    positions.front() += shift;
    const auto count = static_cast<std::int64_t>(positions.size() / 3);
    const std::vector<std::int32_t> gold(positions.size() / 3, 79);
    const std::vector<double> factors(positions.size() / 3, 0.6);
    return aet::Atoms(aet::ConstView(positions, {count, 3}), aet::Atoms::Options{}.species(aet::ConstView(gold)))
        .with_column("debye_waller_b", aet::ConstView(factors))
        .with_cell({cell, cell, cell});
}

void solve() {
    const aet::Context context;
    const aet::Probe probe(aet::Probe::Options{}.energy_ev(300e3).semiangle_mrad(20).defocus(4));
    // Single precision, the default, is faster and as good here; in double all hosts agree to 12 digits.
    const auto options = aet::Simulation::Options(300e3).shape(128, 128).precision(aet::Precision::f64);
    const aet::Simulation truth(context, particle(0.1), options, show);
    const aet::Simulation guess(context, particle(0), options, show);

    const aet::Detector haadf(aet::Detector::Options(aet::DetectorKind::annular).inner_mrad(30).outer_mrad(50));
    const aet::Detector center{aet::Detector::Options(aet::DetectorKind::center_of_mass)};
    const aet::Simulation::Detectors detectors{haadf, center};
    std::vector<double> places;
    for (int row = 0; row < 8; ++row) {
        for (int column = 0; column < 8; ++column) places.insert(places.end(), {4.0 + column, 4.0 + row});
    }
    const aet::ConstView positions(places, {64, 2});

    const auto measured = truth.scan(probe, positions, detectors, show);
    const auto signals = guess.scan(probe, positions, detectors, show); // [position][haadf, com x, com y]
    std::vector<double> residuals(signals);
    double loss = 0, haadf_sum = 0, center_sum = 0, square = 0;
    for (std::size_t i = 0; i < signals.size(); ++i) {
        residuals[i] -= measured[i];
        loss += 0.5 * residuals[i] * residuals[i];
        if (i % 3 == 0) {
            haadf_sum += signals[i];
        } else {
            center_sum += signals[i] * signals[i];
        }
    }
    std::vector<double> gradient(43 * 3);
    guess.pull_back(probe, positions, detectors, aet::ConstView(residuals, {64, 3}),
                    aet::Simulation::Gradients{}.atom_positions(aet::View(gradient, {43, 3})), show);
    for (const double g : gradient) square += g * g;
    std::fprintf(stderr, "\n");
    std::printf("atoms=%d positions=%d haadf=%.12e center_of_mass=%.12e loss=%.12e gradient_norm=%.12e first=%.12e\n",
                43, 64, haadf_sum, std::sqrt(center_sum), loss, std::sqrt(square), gradient.front());
}

} // namespace

int main() {
    try {
        solve();
        return EXIT_SUCCESS;
    } catch (const aet::error &failure) {
        std::fprintf(stderr, "%s: %s\n", failure.name(), failure.what());
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "%s\n", failure.what());
    }
    return EXIT_FAILURE;
}
