// Atoms from images alone, in C++: a tomogram, its peaks, a fit that a term of one's own keeps on course, error bars,
// and the comparison with the truth.
//
//   atoms_from_images DATA_FOLDER OUT_FOLDER
//
// DATA_FOLDER is a dataset folder whose true atoms are known. Writes tomogram.mrc and atoms.xyz, with the standard
// error of every coordinate, to the existing folder OUT_FOLDER. Progress goes to stderr. The same example exists in
// every host language and prints the same numbers.
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

// Minus the logarithm of a prior on the heights: atoms of one element are about as high as each other.
aet::TermFunction alike(double typical) {
    return [typical](const std::vector<double> &heights, double *gradient) {
        double sum = 0;
        for (std::size_t i = 0; i < heights.size(); ++i) {
            const double deviation = heights[i] / typical - 1;
            if (gradient != nullptr) gradient[i] = deviation / typical;
            sum += deviation * deviation;
        }
        return 0.5 * sum;
    };
}

// First with the term, then without it: the result is that of the images alone.
void fit(aet::LocalOrbital &recon) {
    const std::vector<double> heights = recon.block("heights");
    // Peaks are sorted, so the middle one has the median height. The term keeps weak peaks from fading before they
    // have found their places; these images would do without.
    recon.add_term("heights", 3, alike(heights.at(heights.size() / 2)));
    recon.run(30, show);
    recon.clear_terms();
    const auto outcome = recon.run(aet::RunOptions{}.optimizer(aet::Optimizer::levenberg_marquardt), show);
    std::fprintf(stderr, "\n%s\n", outcome == aet::Outcome::converged ? "converged" : "not converged");
}

void solve(const std::string &data, const std::string &out) {
    const aet::Context context;
    const auto series = aet::TiltSeries::read(context, data);
    const auto truth = aet::TiltSeries::read_atoms(context, data, "truth");

    const auto sirt = aet::TomographyOptions{}.method(aet::TomographyMethod::sirt);
    const auto volume = aet::Volume::reconstruct(context, series, sirt, show);
    std::fprintf(stderr, "\n");
    volume.write(out + "/tomogram.mrc");
    // Bonds of silicon are 2.35 A long: what is nearer than 1.6 A is one atom.
    const auto start = volume.trace(aet::Volume::TraceOptions{}.minimum_distance(1.6).species(14));
    const auto peaks = start.compare(truth);
    std::printf("peaks: %lld atoms, %lld of them true, RMSD %.2f pm\n", static_cast<long long>(start.size()),
                static_cast<long long>(peaks.matched), peaks.rmsd_pm);

    const aet::Probe probe(series.energy_ev(), series.semiangle_mrad());
    // Single precision, the default, is faster and as accurate here; in double all hosts agree to 12 digits.
    aet::LocalOrbital recon(context, series, probe, start,
                            aet::LocalOrbital::Options{}.model(aet::Model::rigid).precision(aet::Precision::f64));
    fit(recon);

    // Each atom with its neighbours: takes time in proportion to the number of atoms.
    const auto errors = recon.estimate_errors(aet::ErrorOptions{}.method(aet::ErrorMethod::local));
    errors.atoms.write(out + "/atoms.xyz");
    std::printf("error bars: %lld atoms undetermined, predicted RMSD %.2f pm\n",
                static_cast<long long>(errors.undetermined), errors.predicted_rmsd_pm);

    const auto found = errors.atoms.compare(truth);
    std::printf("true=%lld matched=%lld missing=%lld extra=%lld rmsd_pm=%.12e predicted_rmsd_pm=%.12e loss=%.12e "
                "evaluations=%.0f\n",
                static_cast<long long>(found.true_count), static_cast<long long>(found.matched),
                static_cast<long long>(found.missing), static_cast<long long>(found.extra), found.rmsd_pm,
                errors.predicted_rmsd_pm, recon.history("loss").back(), recon.history("evaluations").back());
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
