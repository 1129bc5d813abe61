// Probes that images tell, in C++: the foci of a series that recorded none, by a scan and a fit, then the pixels of the
// probes, which find an astigmatism that the fit was not told of.
//
//   fitted_probes DATA_FOLDER
//
// DATA_FOLDER is a dataset folder of two foci per tilt with true atoms and, as start.xyz, atoms to start from. Its
// particle is thin for a focus to matter, so a longer one is imaged in the same way, by the rigid model. Progress goes
// to stderr. The same example exists in every host language and prints the same numbers.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "aet.hpp"

namespace {

using Vector = std::vector<double>;

constexpr double stretch = 1.5;       // of the particle along z
const Vector astigmatism{6, 0, 6, 0}; // C12 cos and C12 sin of each section, A

bool show(const aet::Progress &p) {
    std::fprintf(stderr, "\riteration %3d  loss %.6e", static_cast<int>(p.iteration), p.loss);
    return true; // go on
}

aet::Atoms stretched(const aet::Atoms &atoms) {
    Vector positions = atoms.positions();
    for (std::size_t z = 2; z < positions.size(); z += 3) positions[z] *= stretch;
    return aet::Atoms({positions, {atoms.size(), 3}});
}

// Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits.
aet::LocalOrbital::Options options(aet::Model model) {
    return aet::LocalOrbital::Options{}.model(model).precision(aet::Precision::f64);
}

// Images of the longer particle at the foci recorded, with heights and backgrounds as the recorded images have them; as
// a series that knows the sections but not their foci, which are then 0.
aet::TiltSeries series_without_foci(const aet::Context &context, const aet::TiltSeries &recorded,
                                    const aet::Probe &probe, const aet::Atoms &truth) {
    aet::LocalOrbital model(context, recorded, probe, truth, options(aet::Model::rigid));
    model.set_block("astigmatism", astigmatism);
    const std::int64_t n = recorded.image_count(), rows = recorded.rows(), columns = recorded.columns();
    Vector images(static_cast<std::size_t>(n * rows * columns));
    model.predict(model.parameters(), {}, {images, {n, rows, columns}});

    const Vector rotations = recorded.column("rotations");
    const auto tilt = recorded.column<std::int32_t>("tilt"), section = recorded.column<std::int32_t>("section");
    aet::Frames frames;
    frames.rotations({rotations, {n, 3, 3}}).tilt(tilt).section(section);
    return {context, {images, {n, rows, columns}}, frames,
            aet::TiltSeries::Options{}.pixel_size(recorded.pixel_size())};
}

// Runs, and returns the loss reached.
double reach(aet::LocalOrbital &recon, int iterations) {
    const auto outcome = recon.run(iterations, show);
    std::fprintf(stderr, "\n%s\n", outcome == aet::Outcome::converged ? "converged" : "not converged");
    return recon.history("loss").back();
}

void solve(const std::string &data) {
    const aet::Context context;
    const auto recorded = aet::TiltSeries::read(context, data);
    const auto truth = stretched(aet::TiltSeries::read_atoms(context, data, "truth"));
    const auto start = stretched(aet::Atoms::read(data + "/start.xyz"));
    const aet::Probe probe(recorded.energy_ev(), recorded.semiangle_mrad());
    const auto series = series_without_foci(context, recorded, probe, truth);

    // Atoms far out of place tell little of a focus: a few iterations first.
    aet::LocalOrbital recon(context, series, probe, start, options(aet::Model::rigid));
    reach(recon, 10);
    recon.scan_defocus(30, 5);
    const Vector scan = recon.block("defocus");
    std::printf("scan: defocus %.2f and %.2f A\n", scan.at(0), scan.at(1));

    // The widths had taken up a part of the blur; now both find their values.
    recon.freeze("defocus", false);
    const double rigid_loss = reach(recon, 60);
    const Vector defocus = recon.block("defocus");
    // What the fit leaves, which is the astigmatism here, counts as noise.
    const Vector errors = recon.block_errors("defocus", {}, aet::NoiseModel::residual);
    std::printf("fit: defocus %.2f +- %.2f and %.2f +- %.2f A\n", defocus.at(0), errors.at(0), defocus.at(1),
                errors.at(1));

    auto pixels = recon.continued(options(aet::Model::adaptive).probes(aet::ProbeSharing::section, 15));
    const double adaptive_loss = reach(pixels, 30);
    const auto probes = pixels.probe_table();
    std::printf("scan_0=%.12e scan_1=%.12e defocus_0=%.12e defocus_1=%.12e error_0=%.12e error_1=%.12e "
                "rigid_loss=%.12e adaptive_loss=%.12e focus_0=%.12e focus_1=%.12e rmsd_pm=%.12e\n",
                scan.at(0), scan.at(1), defocus.at(0), defocus.at(1), errors.at(0), errors.at(1), rigid_loss,
                adaptive_loss, probes.value("focus_0"), probes.value("focus_1"), pixels.atoms().compare(truth).rmsd_pm);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s DATA_FOLDER\n", argv[0]);
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
