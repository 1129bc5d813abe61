// A volume from images, in C++: RESIRE with progress, loss and gradient at the result as an optimiser of one's own would
// ask for them, a state that is saved and goes on, and SIRT in one call.
//
//   volume_from_images DATA_FOLDER OUT_FOLDER
//
// Writes volume.mrc and the state recon.aet to the existing folder OUT_FOLDER. Progress goes to stderr. The same example
// exists in every host language and prints the same numbers.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "aet.hpp"

namespace {

bool show(const aet::Progress &p) {
    std::fprintf(stderr, "\riteration %3d  loss %.6e", static_cast<int>(p.iteration), p.loss);
    return true; // go on
}

// Iterations that nothing ends early: 0 would be the automatic tolerance.
void run(aet::Reconstruction &recon, int iterations) {
    recon.run(aet::RunOptions{}.max_iterations(iterations).loss_tolerance(1e-300), show);
    std::fprintf(stderr, "\n");
}

// Mean over the images that take part.
double mean_r_factor(const aet::Reconstruction &recon) {
    double sum = 0;
    int used = 0;
    for (const double r : recon.r_factors()) {
        if (!std::isfinite(r)) continue;
        sum += r;
        ++used;
    }
    return sum / used;
}

void solve(const std::string &data, const std::string &out) {
    const aet::Context context;
    const auto series = aet::TiltSeries::read(context, data);

    // A cube as wide as the images, voxels as large as pixels, started from nothing, kept positive.
    aet::Tomography recon(context, series);
    run(recon, 20);
    std::vector<double> gradient;
    const double loss = recon.loss_and_gradient(recon.parameters(), gradient);
    double squares = 0;
    for (const double g : gradient) squares += g * g;

    const auto volume = recon.volume();
    volume.write(out + "/volume.mrc");
    const auto voxels = volume.values<double>();
    double sum = 0;
    for (const double v : voxels) sum += v;

    const std::string file = out + "/recon.aet";
    recon.save(file);
    auto resumed = aet::Reconstruction::load(context, series, file);
    run(resumed, 2);

    const auto options = aet::TomographyOptions{}.method(aet::TomographyMethod::sirt).iterations(10);
    const auto tomogram = aet::Volume::reconstruct(context, series, options, show);
    std::fprintf(stderr, "\n");

    std::printf("iterations=%zu loss=%.12e gradient_norm=%.12e r_factor=%.12e sum=%.12e maximum=%.12e "
                "resumed_loss=%.12e sirt_residual=%.12e\n",
                recon.history("iteration").size(), loss, std::sqrt(squares), mean_r_factor(recon), sum,
                *std::max_element(voxels.begin(), voxels.end()), resumed.history("loss").back(),
                tomogram.residuals().back());
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s DATA_FOLDER OUT_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    try {
        solve(argv[1], argv[2]);
        return EXIT_SUCCESS;
    } catch (const aet::error &failure) {
        std::fprintf(stderr, "%s: %s\n", failure.name(), failure.what());
    } catch (const std::exception &failure) {
        std::fprintf(stderr, "%s\n", failure.what());
    }
    return EXIT_FAILURE;
}
