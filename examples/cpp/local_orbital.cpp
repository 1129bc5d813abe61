// Local-orbital tomography from C++: everything is made from the host's own arrays, the host drives the fit itself,
// then the library does.
//
//   local_orbital DATA_FOLDER
//
// DATA_FOLDER is a dataset folder whose true atoms are known. Progress goes to stderr; the last line on stdout holds
// what was computed. The same example exists in every host language and prints the same numbers.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "aet.hpp"

namespace {

using Vector = std::vector<double>;

double dot(const Vector &a, const Vector &b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

// a + factor * b
Vector sum(Vector a, double factor, const Vector &b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
    return a;
}

// Copies a series out into plain arrays and makes a new one of them.
aet::TiltSeries rebuilt(const aet::Context &context, const aet::TiltSeries &source) {
    const std::int64_t n = source.image_count();
    const Vector images = source.column("images"), rotations = source.column("rotations");
    const auto tilt = source.column<std::int32_t>("tilt"), section = source.column<std::int32_t>("section");
    const Vector defocus = source.column("defocus"), counts = source.column("counts_per_unit");

    aet::Frames frames;
    frames.rotations({rotations, {n, 3, 3}}).tilt(tilt).section(section).defocus(defocus);
    if (std::isfinite(counts.at(0))) frames.counts_per_unit(counts);
    return {context, {images, {n, source.rows(), source.columns()}}, frames,
            aet::TiltSeries::Options{}.pixel_size(source.pixel_size())};
}

// The true atoms, each displaced by up to 0.15 A per axis, the same way in every language.
aet::Atoms displaced(const aet::Atoms &truth) {
    Vector positions = truth.positions();
    for (std::size_t k = 0; k < positions.size(); ++k) {
        positions[k] += 0.15 * std::sin(12.9898 * static_cast<double>(k + 1));
    }
    return aet::Atoms({positions, {truth.size(), 3}});
}

// The host's own optimiser: L-BFGS within bounds, in parameters divided by the scales of their blocks.
class HostFit {
public:
    explicit HostFit(const aet::LocalOrbital &recon) : recon_(recon) {
        const std::size_t n = recon.parameter_count();
        for (Vector *values : {&scale_, &lower_, &upper_}) values->resize(n);
        for (const aet::Block &block : recon.blocks()) {
            if (block.frozen) continue;
            const auto first = static_cast<std::size_t>(block.offset);
            for (std::size_t i = first; i < first + static_cast<std::size_t>(block.size); ++i) {
                scale_[i] = block.scale;
                lower_[i] = block.lower / block.scale;
                upper_[i] = block.upper / block.scale;
            }
        }
    }

    // Minimises the loss from the present parameters, which stay as they are.
    double minimise(int max_iterations) {
        u_ = recon_.parameters();
        for (std::size_t i = 0; i < u_.size(); ++i) u_[i] /= scale_[i];
        loss_ = evaluate(u_, gradient_);
        for (int iteration = 1; iteration <= max_iterations; ++iteration) {
            const double before = loss_;
            if (!line_search(descent_direction())) break;
            std::fprintf(stderr, "\rhost iteration %3d  loss %.9e", iteration, loss_);
            if (before - loss_ <= 1e-10 * std::abs(loss_)) break;
        }
        std::fprintf(stderr, "\n");
        return loss_;
    }

private:
    struct Pair {
        Vector step, change; // of the parameters, of the gradient
        double curvature;    // step . change
    };
    static constexpr std::size_t memory = 10;

    // Loss and gradient in scaled parameters u = x / scale.
    double evaluate(const Vector &u, Vector &gradient) {
        x_.resize(u.size());
        for (std::size_t i = 0; i < u.size(); ++i) x_[i] = u[i] * scale_[i];
        const double loss = recon_.loss_and_gradient(x_, gradient);
        for (std::size_t i = 0; i < u.size(); ++i) gradient[i] *= scale_[i];
        return loss;
    }

    // The two-loop recursion: - (inverse Hessian) gradient.
    Vector descent_direction() const {
        Vector direction = sum(Vector(gradient_.size()), -1, gradient_);
        Vector weights;
        for (auto pair = pairs_.rbegin(); pair != pairs_.rend(); ++pair) {
            weights.push_back(dot(pair->step, direction) / pair->curvature);
            direction = sum(std::move(direction), -weights.back(), pair->change);
        }
        if (!pairs_.empty()) {
            const Pair &newest = pairs_.back();
            const double factor = newest.curvature / dot(newest.change, newest.change);
            for (double &value : direction) value *= factor;
        }
        for (const Pair &pair : pairs_) {
            const double correction = dot(pair.change, direction) / pair.curvature;
            direction = sum(std::move(direction), weights.back() - correction, pair.step);
            weights.pop_back();
        }
        return direction;
    }

    // Halves the step until the loss falls enough (Armijo), and moves there. False where no step helps.
    bool line_search(const Vector &direction) {
        double length = 1;
        for (int attempt = 0; attempt < 30; ++attempt, length *= 0.5) {
            Vector trial = sum(u_, length, direction), trial_gradient;
            for (std::size_t i = 0; i < trial.size(); ++i) {
                trial[i] = std::fmin(std::fmax(trial[i], lower_[i]), upper_[i]);
            }
            Vector step = sum(trial, -1, u_);
            const double expected = dot(gradient_, step);
            const double loss = evaluate(trial, trial_gradient);
            if (!(expected < 0 && loss <= loss_ + 1e-4 * expected)) continue;
            remember(std::move(step), sum(trial_gradient, -1, gradient_));
            loss_ = loss;
            u_ = std::move(trial);
            gradient_ = std::move(trial_gradient);
            return true;
        }
        return false;
    }

    // Keeps the latest pair, unless the curvature along it is not positive.
    void remember(Vector step, Vector change) {
        const double curvature = dot(step, change);
        if (curvature <= 1e-12 * dot(change, change)) return;
        if (pairs_.size() == memory) pairs_.pop_front();
        pairs_.push_back({std::move(step), std::move(change), curvature});
    }

    const aet::LocalOrbital &recon_;
    Vector scale_, lower_, upper_, x_, u_, gradient_;
    double loss_ = 0;
    std::deque<Pair> pairs_; // oldest first
};

const char *text(aet::Outcome outcome) {
    switch (outcome) {
    case aet::Outcome::converged: return "converged";
    case aet::Outcome::max_iterations: return "largest number of iterations";
    case aet::Outcome::time_limit: return "time limit";
    case aet::Outcome::cancelled: return "cancelled";
    }
    return "";
}

void solve(const std::string &folder) {
    const aet::Context context;
    const auto source = aet::TiltSeries::read(context, folder);
    const auto truth = aet::TiltSeries::read_atoms(context, folder, "truth");

    const aet::TiltSeries series = rebuilt(context, source);
    const aet::Probe probe(source.energy_ev(), source.semiangle_mrad());
    aet::LocalOrbital recon(context, series, probe, displaced(truth),
                            aet::LocalOrbital::Options{}
                                .model(aet::Model::rigid)
                                .precision(aet::Precision::f64)
                                .loss(aet::Loss::mse)
                                .height_sharing(aet::Sharing::common)
                                .width_sharing(aet::Sharing::common)
                                .width_start(0.5));

    Vector gradient;
    const double loss = recon.loss_and_gradient(recon.parameters(), gradient);
    const double gradient_norm = std::sqrt(dot(gradient, gradient));
    const double host_loss = HostFit(recon).minimise(200);

    const aet::Outcome outcome = recon.run(aet::RunOptions{}.max_iterations(60).loss_tolerance(1e-12),
                                           [](const aet::Progress &p) {
                                               std::fprintf(stderr, "\rrun iteration %3d  loss %.9e  %5.1f s",
                                                            static_cast<int>(p.iteration), p.loss, p.seconds);
                                               return true; // go on
                                           });
    std::fprintf(stderr, "\n%s\n", text(outcome));

    const aet::Comparison comparison = recon.atoms().compare(truth);
    std::printf("loss=%.12e gradient_norm=%.12e run_loss=%.12e run_iterations=%d rmsd_pm=%.6f matched=%lld "
                "host_loss=%.12e\n",
                loss, gradient_norm, recon.history("loss").back(),
                static_cast<int>(recon.history("iteration").back()), comparison.rmsd_pm,
                static_cast<long long>(comparison.matched), host_loss);
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
