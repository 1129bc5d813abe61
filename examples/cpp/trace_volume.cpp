// From a volume to atoms, in C++: tracing, classification, and how right they are. The volume is made here: a core-shell
// particle of copper and gold, its atoms spread over the nearest voxels, noise, and a blur. The same example exists in every
// host language and prints the same numbers.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <vector>

#include "aet.hpp"

namespace {

constexpr std::int64_t edge = 56; // voxels along each axis
constexpr double voxel = 0.5;     // A
constexpr double noise = 5;       // width of the noise of a voxel, in electrons of an atom
constexpr double blur = 0.5;      // standard deviation, A

// Each atom as its atomic number, shared among the eight voxels around it so that their centroid is its position.
void spread(const aet::Atoms &atoms, std::vector<double> &values) {
    const std::vector<double> positions = atoms.positions(), species = atoms.column("species");
    for (std::size_t i = 0; i < species.size(); ++i) {
        std::int64_t lower[3];
        double part[3][2]; // of the lower and the upper voxel
        for (std::size_t k = 0; k < 3; ++k) {
            const double at = positions[3 * i + k] / voxel + edge / 2;
            lower[k] = static_cast<std::int64_t>(at);
            part[k][1] = at - std::floor(at);
            part[k][0] = 1 - part[k][1];
        }
        for (int corner = 0; corner < 8; ++corner) {
            const int x = corner % 2, y = corner / 2 % 2, z = corner / 4;
            values[static_cast<std::size_t>(((lower[2] + z) * edge + lower[1] + y) * edge + lower[0] + x)] +=
                part[2][z] * part[1][y] * part[0][x] * species[i];
        }
    }
}

// The particle with uniform noise from a linear congruential generator, which every language computes alike, blurred.
aet::Volume blurred_volume(const aet::Context &context, const aet::Atoms &atoms) {
    std::vector<double> values(edge * edge * edge);
    spread(atoms, values);
    std::uint64_t state = 1;
    for (double &value : values) {
        state = (1664525 * state + 1013904223) % 4294967296;
        value += noise * (static_cast<double>(state) / 4294967296.0 - 0.5);
    }
    const aet::Volume raw(context, aet::ConstView(values, {edge, edge, edge}), voxel);
    return aet::filter(raw, aet::FilterOptions{}.gaussian(blur));
}

// The largest of the values that are known.
double largest(const std::vector<double> &values) {
    double most = values.front();
    for (const double value : values) most = std::fmax(most, value);
    return most;
}

void solve() {
    const aet::Context context;
    const aet::Atoms truth = aet::Atoms::generate(aet::StructureOptions::preset("cuau").count(300));
    const aet::Volume volume = blurred_volume(context, truth);

    const aet::Atoms traced = volume.trace(aet::Volume::TraceOptions{}.smoothing(0).minimum_distance(1.6).threshold(0.2));
    const auto found = aet::classify(traced, volume, aet::ClassifyOptions({29, 79}).non_atoms(true));
    const aet::Table histogram = found.table.histogram("intensity", "class");

    const aet::Table report = aet::accuracy(context, found.atoms, truth);
    std::printf("traced=%d true=%.0f matched=%.0f missing=%.0f extra=%.0f tracing_error=%.12e species_correct=%.12e "
                "rmsd_pm=%.12e worst_shell_rmsd_pm=%.12e copper_rate=%.12e gold_mean=%.12e bins=%d highest_bin=%.0f\n",
                static_cast<int>(traced.size()), report.value("true_count"), report.value("matched"),
                report.value("missing"), report.value("extra"), report.value("tracing_error"),
                report.value("species_correct"), report.value("rmsd"),
                largest(report.error_profile("surface_distance", 2).column("rmsd")),
                report.confusion().column("rate").front(), found.classes.column("mean").back(),
                static_cast<int>(histogram.rows()), largest(histogram.column("count")));
}

} // namespace

int main() {
    try {
        solve();
    } catch (const std::exception &e) {
        std::fprintf(stderr, "%s\n", e.what());
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
