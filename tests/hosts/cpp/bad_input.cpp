// What the C++ interface adds to the C one: errors as exceptions, owners that move, exceptions that travel through the
// library, builders. The cases of bad input themselves are tested from C.
//
//   bad_input DATA_FOLDER SCRATCH_FOLDER
//
// One line per check, then "N passed, N failed"; the exit code tells whether any failed.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "aet.hpp"

namespace {

int passed = 0, failed = 0;

void check(const std::string &what, bool holds) {
    ++(holds ? passed : failed);
    std::printf("%s  %s\n", holds ? "ok  " : "FAIL", what.c_str());
}

// The call throws aet::error with this code and a text that mentions the argument.
void expect(const std::string &what, std::int32_t code, const std::string &mention,
            const std::function<void()> &call) {
    try {
        call();
        check(what + ": no exception", false);
    } catch (const aet::error &e) {
        const bool holds = e.code() == code && std::string(e.what()).find(mention) != std::string::npos;
        check(what + ": " + e.name() + " " + e.what(), holds);
    } catch (const std::exception &e) {
        check(what + ": another exception, " + e.what(), false);
    }
}

template <class T>
constexpr bool moves_only = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                            !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(moves_only<aet::Context> && moves_only<aet::TiltSeries> && moves_only<aet::Probe>);
static_assert(moves_only<aet::Detector> && moves_only<aet::Atoms> && moves_only<aet::LocalOrbital> && moves_only<aet::Snapshot>);
static_assert(moves_only<aet::Volume> && moves_only<aet::Tomography>);
static_assert(std::is_nothrow_destructible_v<aet::Reconstruction>);
static_assert(!std::is_constructible_v<aet::ConstView, std::vector<double> &&>, "a view of a temporary");

// Two tilts of a single atom, as a host has them.
struct Host {
    static constexpr std::int64_t rows = 16, columns = 20, count = 2;
    std::vector<double> images, rotations, positions{0.1, 0, 0};
    Host() {
        for (std::int64_t k = 0; k < count; ++k) {
            for (std::int64_t row = 0; row < rows; ++row) {
                for (std::int64_t column = 0; column < columns; ++column) {
                    const double x = 0.5 * static_cast<double>(column - columns / 2);
                    const double y = 0.5 * static_cast<double>(row - rows / 2);
                    images.push_back(std::exp(-(x * x + y * y) / 0.6));
                }
            }
            const double c = std::cos(0.5 * static_cast<double>(k)), s = std::sin(0.5 * static_cast<double>(k));
            rotations.insert(rotations.end(), {c, 0, s, 0, 1, 0, -s, 0, c});
        }
    }
    aet::ConstView image_view() const { return {images, {count, rows, columns}}; }
    aet::Frames frames() const { return aet::Frames{}.rotations({rotations, {count, 3, 3}}); }
    aet::TiltSeries series(const aet::Context &context) const {
        return {context, image_view(), frames(), aet::TiltSeries::Options{}.pixel_size(0.5)};
    }
    aet::LocalOrbital recon(const aet::Context &context) const {
        return {context, series(context), aet::Atoms({positions, {1, 3}}), direct()};
    }
    static aet::LocalOrbital::Options direct() {
        return aet::LocalOrbital::Options{}.model(aet::Model::direct).precision(aet::Precision::f64);
    }
};

void check_errors(const aet::Context &context, const Host &host) {
    const aet::Atoms two(aet::ConstView(host.positions, {1, 3}));
    expect("a Huber threshold below 0", AET_ERROR_RANGE, "huber_threshold", [&] {
        aet::LocalOrbital(context, host.series(context), two, Host::direct().huber(-1));
    });
    const aet::LocalOrbital robust(context, host.series(context), two, Host::direct().huber(0.5));
    check("a Huber loss", robust.record().find("\"huber_threshold\": 0.5") != std::string::npos);
    expect("zero pixel size", AET_ERROR_RANGE, "pixel_size", [&] {
        aet::TiltSeries(context, host.image_view(), host.frames(), aet::TiltSeries::Options{}.pixel_size(0));
    });
    expect("no rotations", AET_ERROR_SHAPE, "rotations", [&] {
        const aet::Frames frames = aet::Frames{}.rotations(host.positions);
        aet::TiltSeries(context, host.image_view(), frames, aet::TiltSeries::Options{}.pixel_size(0.5));
    });
    expect("model 99", AET_ERROR_UNKNOWN_OPTION, "model", [&] {
        const auto options = Host::direct().model(static_cast<aet::Model>(99));
        aet::LocalOrbital(context, host.series(context), aet::Atoms({host.positions, {1, 3}}), options);
    });
    expect("rigid model without a probe", AET_ERROR_NULL, "probe", [&] {
        const auto options = Host::direct().model(aet::Model::rigid);
        aet::LocalOrbital(context, host.series(context), aet::Atoms({host.positions, {1, 3}}), options);
    });
    expect("no energy", AET_ERROR_RANGE, "energy_ev", [] { aet::Probe(0, 25); });
    expect("no such file", AET_ERROR_FILE, "no such", [] { (void)aet::Atoms::read("no such file.xyz"); });
    expect("vector of another size", AET_ERROR_SHAPE, "640", [&] {
        (void)aet::ConstView(host.images, {host.count, host.rows, host.columns + 1});
    });
    expect("nine axes", AET_ERROR_SHAPE, "9",
           [&] { (void)aet::ConstView(host.images.data(), aet::Shape(9, 1)); });
}

aet::LocalOrbital::Options slater_options() {
    return Host::direct().orbital(aet::Orbital::slater()); // only the options hold the orbital
}

void check_orbitals(const aet::Context &context, const Host &host) {
    const std::vector<double> one{1}, two{1, 1}, at{0, 0.4, 1.1};
    const aet::Orbital gaussian = aet::Orbital::gaussians(one, one);
    const std::vector<double> values = gaussian.evaluate(at, 0.6);
    double error = 0;
    for (std::size_t i = 0; i < at.size(); ++i) {
        const double f = std::exp(-at[i] * at[i] / 0.6);
        error = std::max({error, std::abs(values[3 * i] - f), std::abs(values[3 * i + 1] + at[i] / 0.3 * f)});
    }
    check("a Gaussian orbital", error < 1e-14 && gaussian.terms().size() == 1 && gaussian.terms()[0].width == 1);
    const aet::Orbital slater = aet::Orbital::slater();
    check("a Slater function in 6 terms", slater.term_count() == 6 && slater.expansion_error() <= 1e-3);
    check("f(0) of it is near 1", std::abs(slater.evaluate(at, 0.6)[0] - 1) <= 1.001e-3);
    std::vector<double> radii, table;
    for (int i = 0; i <= 80; ++i) {
        radii.push_back(0.05 * i);
        table.push_back(std::exp(-radii.back() * radii.back()));
    }
    aet::Orbital tabulated = aet::Orbital::table(radii, table);
    check("a table of a Gaussian is one term", tabulated.term_count() == 1);
    const aet::Orbital moved = std::move(tabulated);
    check("an orbital that was moved from still has its shape", tabulated.term_count() == 1 && moved.term_count() == 1);

    const auto loss = [&](const aet::LocalOrbital::Options &options) {
        aet::LocalOrbital recon(context, host.series(context), aet::Atoms({host.positions, {1, 3}}), options);
        recon.run(3);
        return recon.loss(recon.parameters());
    };
    const double with_gaussian = loss(Host::direct()), with_slater = loss(slater_options());
    check("the Gaussian is the default", loss(Host::direct().orbital(gaussian)) == with_gaussian);
    check("a fit with another shape is another one", std::isfinite(with_slater) && with_slater != with_gaussian);
    aet::LocalOrbital::Options kept = slater_options();
    const aet::LocalOrbital::Options copied = kept, taken = std::move(kept);
    check("copies of options hold the orbital, too", loss(copied) == with_slater && loss(taken) == with_slater);
    const auto find = aet::FindOptions{}.fit(slater_options());
    check("atoms found with it", aet::find_atoms(host.series(context), nullptr, find).size() > 0);

    expect("tolerance 2", AET_ERROR_RANGE, "tolerance", [] { (void)aet::Orbital::slater(2); });
    expect("two shapes", AET_ERROR_SHAPE, "widths", [&] { (void)aet::Orbital::gaussians(two, one); });
    expect("unknown kind", AET_ERROR_UNKNOWN_OPTION, "kind",
           [&] { (void)aet::Orbital::table(radii, table, static_cast<aet::RadialTable>(99)); });
    expect("table that begins late", AET_ERROR_RANGE, "first radius", [&] {
        const aet::Shape shape{80};
        (void)aet::Orbital::table({radii.data() + 1, shape}, {table.data() + 1, shape});
    });
    expect("radii in two axes", AET_ERROR_SHAPE, "radii", [&] { (void)slater.evaluate({at, {3, 1}}, 0.6); });
}

void check_generated() {
    const auto gold = [] { return aet::StructureOptions(aet::Structure::face_centred_cubic).species(79).lattice_a(4.078); };
    const aet::Atoms particle = aet::Atoms::generate(gold().shape(aet::ParticleShape::truncated_octahedron).width(20));
    check("gold in a truncated octahedron", particle.size() == 201 && particle.column("species").at(200) == 79);
    const auto small = aet::StructureOptions::preset("m1").count(200);
    check("a seed", aet::Atoms::generate(small).positions() == aet::Atoms::generate(small).positions());
    const auto rotated = gold().width(12).rotation(10, 20, 30).center(1, 2, 3).displacement(0.1).vacancies(0.2).seed(4);
    check("other options", aet::Atoms::generate(rotated).size() > 20);
    expect("no size", AET_ERROR_NOT_READY, "width", [&] { (void)aet::Atoms::generate(gold()); });
    expect("unknown preset", AET_ERROR_UNKNOWN_OPTION, "bao", [] { (void)aet::StructureOptions::preset("m9"); });
    expect("stopped", AET_CANCELLED, "", [&] {
        (void)aet::Atoms::generate(small, [](const aet::Progress &) { return false; });
    });
    try {
        (void)aet::Atoms::generate(small, [](const aet::Progress &) -> bool { throw std::runtime_error("mine"); });
        check("an exception of the host", false);
    } catch (const std::runtime_error &e) {
        check("an exception of the host", std::string(e.what()) == "mine");
    }
}

void check_owners(const aet::Context &context, const Host &host) {
    aet::LocalOrbital recon = host.recon(context);
    const std::vector<double> x = recon.parameters();
    const double loss = recon.loss(x);
    aet::LocalOrbital moved = std::move(recon);
    check("moved, the same loss", moved.loss(x) == loss);
    expect("moved from", AET_ERROR_NULL, "recon", [&] { (void)recon.record(); });
    check("getters of what was moved from", recon.parameter_count() == 0 && recon.generation() == 0);
    recon = host.recon(context);
    check("assigned anew", recon.loss(x) == loss);

    std::vector<double> gradient, longer = x;
    longer.push_back(0);
    check("loss with gradient", moved.loss_and_gradient(x, gradient) == loss && gradient.size() == x.size());
    expect("stale parameters", AET_ERROR_STALE_PARAMETERS, "parameters", [&] { (void)moved.loss(longer); });
    const std::vector<double> each = moved.image_losses(x, {0, 1});
    check("losses of images", std::abs((each[0] + each[1]) / 2 - loss) < 1e-12 * std::abs(loss));
    expect("losses of no images", AET_ERROR_EMPTY, "images", [&] { (void)moved.image_losses(x, {}); });
    check("blocks", !moved.blocks().empty() && moved.blocks()[0].name == "positions");
    check("one block", moved.block("positions") == host.positions);
    expect("no such block", AET_ERROR_UNKNOWN_OPTION, "bricks", [&] { (void)moved.block("bricks"); });
    check("geometry", moved.geometry().rotations == host.rotations);
    check("column of the series", host.series(context).column("rotations") == host.rotations);
    check("parameters with names", aet::Reconstruction::param_names().size() ==
                                       static_cast<std::size_t>(aet_recon_param_count()));
}

struct Stop : std::runtime_error {
    Stop() : std::runtime_error("the host's own exception") {}
};

void check_callbacks(const aet::Context &context, const Host &host) {
    aet::LocalOrbital recon = host.recon(context);
    const double before = recon.loss(recon.parameters());
    bool caught = false;
    try {
        recon.run(50, [](const aet::Progress &) -> bool { throw Stop(); });
    } catch (const Stop &) {
        caught = true;
    }
    check("exception thrown in a progress function arrives", caught);
    check("the best state is kept", recon.loss(recon.parameters()) <= before);
    const auto outcome = recon.run(50, [](const aet::Progress &) { return false; });
    check("false cancels", outcome == aet::Outcome::cancelled);

    std::int32_t reentered = 0;
    recon.run(3, [&](const aet::Progress &p) {
        try {
            if (reentered == 0) recon.run(1);
        } catch (const aet::error &e) {
            reentered = e.code();
        }
        return p.fraction() <= 1;
    });
    check("run inside a run", reentered == AET_ERROR_BUSY);
    check("history", !recon.history("loss").empty() && !recon.record().empty());
    check("atoms", recon.atoms().size() == 1 && recon.snapshot().atoms().size() == 1);

    int messages = 0;
    aet::set_log(aet::LogLevel::warning, [&](aet::LogLevel, const char *) {
        ++messages;
        throw Stop(); // is dropped
    });
    const std::vector<double> radians{0.1, 0.5};
    aet::TiltSeries(context, host.image_view(), aet::Frames{}.angles_deg(radians, aet::TiltAxis::y),
                    aet::TiltSeries::Options{}.pixel_size(0.5));
    aet::set_log(aet::LogLevel::off);
    check("warnings about radians and equal images, their exceptions dropped", messages == 2);
}

void check_second_order(const aet::Context &context, const Host &host) {
    aet::LocalOrbital made = host.recon(context);
    const std::vector<double> x = made.parameters(), direction(x.size(), 0.01);
    std::vector<double> change(host.images.size());
    const aet::Shape shape{host.count, host.rows, host.columns};
    made.push_forward(x, direction, {}, aet::View(change, shape));
    const std::vector<double> product = made.gauss_newton_product(x, direction);
    double squares = 0, through = 0;
    for (const double value : change) squares += value * value / static_cast<double>(change.size());
    for (const double value : product) through += 0.01 * value;
    check("the product is J^T J", std::abs(through - squares) < 1e-12 * squares);
    check("the diagonal is positive", made.gauss_newton_diagonal(x, {}, 3)[0] > 0);
    expect("short direction", AET_ERROR_SHAPE, "direction", [&] { (void)made.gauss_newton_product(x, {1.0}); });
    expect("generation to come", AET_ERROR_RANGE, "generation", [&] { (void)made.index_map(7); });
    check("map of the present generation", made.index_map(made.generation())[1] == 1);

    const double before = made.loss(x);
    made.add_term("heights", 2, [](const std::vector<double> &heights, double *gradient) {
        if (gradient != nullptr) gradient[0] = heights[0];
        return 0.5 * heights[0] * heights[0];
    });
    aet::LocalOrbital recon = std::move(made);
    check("a term adds to the loss, also after a move", std::abs(recon.loss(x) - before - x[3] * x[3]) < 1e-12);
    recon.clear_terms();
    recon.set_projection([](std::vector<double> &v) { v[2] = 0.25; });
    recon.step();
    check("a projection acts", recon.parameters()[2] == 0.25);
    recon.add_term("heights", 1, [](const std::vector<double> &, double *) -> double { throw Stop(); });
    int caught = 0;
    const std::function<void()> calls[] = {[&] { (void)recon.loss(x); }, [&] { recon.run(3); }, [&] { recon.step(); }};
    for (const auto &call : calls) {
        try {
            call();
        } catch (const Stop &) {
            ++caught;
        }
    }
    check("exceptions thrown in a term arrive", caught == 3);
    recon.clear_terms();
    check("nothing is left of terms", std::abs(recon.loss(x) - before) < 1e-15);
    const aet::ErrorEstimate errors = recon.estimate_errors(aet::ErrorOptions().noise(aet::NoiseModel::residual));
    check("error bars", errors.atoms.size() == 1 && errors.height_errors.size() == 1);
    expect("errors cancelled", AET_CANCELLED, "AET_CANCELLED",
           [&] { (void)recon.estimate_errors({}, [](const aet::Progress &) { return false; }); });
    expect("noise not known", AET_ERROR_NOT_READY, "noise_variance",
           [&] { (void)recon.estimate_errors(aet::ErrorOptions().noise(aet::NoiseModel::variance)); });
    const auto of_background = recon.block_errors("background", {}, aet::NoiseModel::residual);
    check("errors of a block", of_background.size() == recon.block("background").size() && of_background[0] >= 0);
    check("and of one atom", recon.block_errors("positions", {0}).size() == 3);
    expect("and of none", AET_ERROR_RANGE, "rows", [&] { (void)recon.block_errors("positions", {1}); });
    expect("errors of a frozen block", AET_ERROR_NOT_READY, "frozen", [&] { (void)recon.block_errors("scale"); });
    expect("they are cancelled", AET_CANCELLED, "AET_CANCELLED", [&] {
        (void)recon.block_errors("background", {}, aet::NoiseModel::residual, [](const aet::Progress &) { return false; });
    });
    const auto terms = recon.fit_orbital({1}).terms();
    check("the shape of the atom", terms.size() == 1 && terms[0].weight == 1 && terms[0].width == 1);
    check("of the library's widths", recon.fit_orbital().term_count() >= 1);
    expect("probes of the direct model", AET_ERROR_UNSUPPORTED, "direct", [&] { (void)recon.probe_table(); });
    expect("their images", AET_ERROR_UNSUPPORTED, "direct", [&] { (void)recon.probe_images(0); });
    expect("a scan of it", AET_ERROR_UNSUPPORTED, "direct", [&] { (void)recon.scan_defocus(20, 10); });
    check("another model goes on", recon.continued(Host::direct()).parameters() == recon.parameters());
    expect("11 widths", AET_ERROR_RANGE, "11", [&] { (void)recon.fit_orbital(std::vector<double>(11, 1.0)); });
    expect("a negative width", AET_ERROR_RANGE, "width of term 1", [&] { (void)recon.fit_orbital({1, -1}); });
    expect("shape cancelled", AET_CANCELLED, "AET_CANCELLED",
           [&] { (void)recon.fit_orbital({}, [](const aet::Progress &) { return false; }); });
    expect("shape of a volume", AET_ERROR_UNSUPPORTED, "fit_orbital",
           [&] { (void)aet::Tomography(context, host.series(context)).fit_orbital(); });
}

void check_growing(const aet::Context &context, const Host &host) {
    aet::TiltSeries series(context, aet::TiltSeries::Options{}.shape(host.rows, host.columns).pixel_size(0.5));
    check("a series starts empty", series.image_count() == 0 && series.rows() == host.rows);
    const aet::ConstView image(host.images.data(), {host.rows, host.columns});
    check("a single image appended", series.append(image, {1, 0, 0, 0, 1, 0, 0, 0, 1}) == 0);
    expect("a matrix that is no rotation", AET_ERROR_INCONSISTENT, "rotation of image 0",
           [&] { series.append(image, {1, 0, 0, 0, 2, 0, 0, 0, 1}); });
    check("nothing appended", series.tilt_count() == 1);
    series.exclude(0);
    check("excluded", series.column<std::int32_t>("excluded") == std::vector<std::int32_t>{1});
    series.set_metadata("operator", "Ren\xc3\xa9");
    check("metadata", series.metadata().size() == 1 && series.metadata()[0].value == "Ren\xc3\xa9");
}

void check_files(const std::string &data, const std::string &scratch) {
    aet::Context context(aet::Threads{2});
    check("threads", context.threads() == 2 && context.simd() != aet::Simd::automatic);
    expect("reading cancelled", AET_CANCELLED, "AET_CANCELLED", [&] {
        (void)aet::TiltSeries::read(context, data, {}, [](const aet::Progress &) { return false; });
    });
    const Host host;
    aet::LocalOrbital recon = host.recon(context);
    const std::string path = scratch + "/\xc3\xa9tat C++.aet";
    recon.save(path);
    const auto again = aet::Reconstruction::load(context, host.series(context), path);
    check("loaded, the same parameters", again.parameters() == recon.parameters());

    expect("an optimizer that is not there", AET_ERROR_UNKNOWN_OPTION, "optimizer",
           [&] { recon.run(aet::RunOptions{}.optimizer(static_cast<aet::Optimizer>(99))); });
    expect("batches of nothing", AET_ERROR_RANGE, "batch_fraction",
           [&] { recon.run(aet::RunOptions{}.optimizer(aet::Optimizer::adam).batch_fraction(-1)); });
    check("a pass of Adam",
          recon.run(aet::RunOptions{}.optimizer(aet::Optimizer::adam).batch_fraction(0.5).seed(3).max_iterations(1)) ==
                  aet::Outcome::max_iterations &&
              recon.history("optimizer").back() == AET_OPTIMIZER_ADAM);

    // A long run, ended by another thread.
    const auto series = aet::TiltSeries::read(context, data);
    const auto truth = aet::TiltSeries::read_atoms(context, data, "truth");
    const aet::Probe probe(series.energy_ev(), series.semiangle_mrad());
    aet::LocalOrbital slow(context, series, probe, truth, aet::LocalOrbital::Options{}.model(aet::Model::rigid));
    using Clock = std::chrono::steady_clock;
    Clock::time_point requested;
    std::thread thread;
    const auto options = aet::RunOptions{}.max_iterations(1000000).loss_tolerance(1e-300).gradient_tolerance(1e-300);
    const auto outcome = slow.run(options, [&](const aet::Progress &) {
        if (!thread.joinable()) {
            thread = std::thread([&] {
                requested = Clock::now();
                context.request_cancel();
            });
        }
        return true;
    });
    const auto returned = Clock::now();
    thread.join();
    check("cancelled by another thread", outcome == aet::Outcome::cancelled);
    check("within a second", returned - requested < std::chrono::seconds(1));
    check("comparison with the truth", slow.atoms().compare(truth).true_count == truth.size());
}

void check_detectors(const aet::Context &context) {
    // Pattern s of 3 has its only electrons, s + 1, at row s + 3 and column s + 2 of 8 x 7; zero angle at (4, 3).
    const aet::Shape shape{3, 8, 7};
    std::vector<std::uint16_t> patterns(3 * 8 * 7);
    for (std::size_t s = 0; s < 3; ++s) patterns[(s * 8 + s + 3) * 7 + s + 2] = static_cast<std::uint16_t>(s + 1);
    const aet::ConstView view(patterns, shape);
    const aet::Detector::Patterns sampling(2, 3);
    const aet::Detector all{aet::Detector::Options()};
    check("a sum per pattern", all.kind() == aet::DetectorKind::annular && all.signal_shape(sampling, 8, 7).empty() &&
                                   all.measure(context, view, sampling) == std::vector<double>{1, 2, 3});
    const std::vector<float> half(21 * 21, 0.5F);
    const auto options = aet::Detector::Options().outer_mrad(6).sensitivity_steps_mrad(2, 3);
    check("a map of efficiencies", aet::Detector(options, {half, {21, 21}}).measure(context, view, sampling) ==
                                       std::vector<double>{0.5, 1, 1.5});
    const aet::Detector camera(aet::Detector::Options(aet::DetectorKind::pixelated).shape(3, 4));
    std::vector<double> pixels = camera.measure(context, view, sampling);
    check("a camera crops", camera.signal_shape(sampling, 8, 7) == aet::Shape{3, 4} && pixels.size() == 36 &&
                                pixels[1] == 1 && pixels[12 + 6] == 2 && pixels[24 + 11] == 3);
    const aet::Detector com(aet::Detector::Options(aet::DetectorKind::center_of_mass));
    const auto with_energy = aet::Detector::Patterns(2, 3).energy_ev(300e3);
    const std::vector<double> field = com.measure(context, view, with_energy);
    const double k = 1e-3 / aet::Probe(300e3, 25).wavelength();
    check("centres of mass", field.size() == 6 && std::abs(field[0] + 3 * k) < 1e-12 && field[2] == 0 &&
                                 std::abs(field[1] + 2 * k) < 1e-12 && std::abs(field[5] - 2 * k) < 1e-12);
    check("integrated", aet::integrate_center_of_mass({field, {1, 3, 2}}, 1, 1).size() == 3);
    expect("no energy", AET_ERROR_NOT_READY, "energy", [&] { (void)com.measure(context, view, sampling); });
    expect("one axis", AET_ERROR_SHAPE, "patterns", [&] { (void)all.measure(context, patterns, sampling); });
    expect("rings without an end", AET_ERROR_RANGE, "outer angle",
           [] { aet::Detector(aet::Detector::Options(aet::DetectorKind::flexible_annular)); });
    expect("cancelled", AET_CANCELLED, "",
           [&] { (void)all.measure(context, view, sampling, [](const aet::Progress &) { return false; }); });
}

/// Edits by hand and supports, seen in the flags of the candidates.
void check_tracing(const aet::Context &context) {
    using Options = aet::Volume::TraceOptions;
    // six Gaussian atoms in a row along z, 2.2 A apart, of heights 1 to 2.5
    const std::int64_t n = 24, nz = 40;
    std::vector<float> values(static_cast<std::size_t>(n * n * nz), 0.1F);
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        for (int k = 0; k < 6; ++k) {
            const double x = static_cast<double>(at % n) - 11.1, y = static_cast<double>(at / n % n) - 11.2;
            const double z = static_cast<double>(at / n / n) - 6 - 5.5 * k;
            values[i] += static_cast<float>((1 + 0.3 * k) * std::exp(-(x * x + y * y + z * z) / 4));
        }
    }
    const aet::Volume volume(context, aet::ConstView(values, {nz, n, n}), 0.4);
    const double apart = 3 * volume.voxel_size();
    const auto options = Options{}.minimum_distance(apart).method(aet::TraceMethod::polynomial);
    const auto traced = volume.trace_candidates(options);
    const auto flag = [](aet::TraceFlag value) { return static_cast<double>(value); };
    const std::vector<double> flags = traced.candidates.column("flag");
    const auto accepted = std::count(flags.begin(), flags.end(), flag(aet::TraceFlag::accepted));
    check("accepted candidates are the atoms", accepted == traced.atoms.size() && accepted == 6);
    const std::vector<double> strongest = {traced.candidates.column("x")[0], traced.candidates.column("y")[0],
                                           traced.candidates.column("z")[0]};
    const aet::ConstView place(strongest, {1, 3});
    const auto without = volume.trace_candidates(Options(options).removed(place));
    check("removed by hand", without.candidates.column("flag")[0] == flag(aet::TraceFlag::removed));
    const auto with = volume.trace_candidates(Options(options).added(place));
    check("added by hand", with.candidates.column("flag")[0] == flag(aet::TraceFlag::added));
    check("the same atoms", with.atoms.size() == traced.atoms.size());
    check("a threshold from the histogram", volume.trace(Options{}.threshold_from_histogram()).size() > 0);
    expect("support of another size", AET_ERROR_SHAPE, "support", [&] {
        const std::vector<float> ones(8, 1.0F);
        const aet::Volume small(context, aet::ConstView(ones, {2, 2, 2}), volume.voxel_size());
        (void)volume.trace(Options{}.support(small));
    });
    expect("below two voxels", AET_ERROR_RANGE, "two voxels",
           [&] { (void)volume.trace(Options{}.minimum_distance(1.5 * volume.voxel_size())); });
}

/// Species, a start and what the search records, on a series of one atom.
void check_finding(const aet::Context &context, const Host &host) {
    const auto series = host.series(context);
    const aet::Atoms start({host.positions, {1, 3}});
    const auto search = aet::FindOptions{}.start(start).max_cycles(2).fit_iterations(15);
    const auto options = aet::FindOptions(search).elements({14}).free({"drift", "scale"}).isolation(4).split(3);
    const auto found = aet::find_atoms_recorded(series, nullptr, options);
    check("the atom of the start", found.atoms.size() == 1 && found.atoms.column("species")[0] == 14);
    check("the start is handed back", found.traced.size() == 1);
    const auto r_factors = found.cycles.column("r_factor");
    check("a row per fit", static_cast<std::int64_t>(r_factors.size()) == found.cycles.rows() && !r_factors.empty());
    check("fits lower the R factor", r_factors.back() < found.cycles.value("r_factor_traced"));
    check("direct without a probe", found.cycles.value("model") == AET_LOT_MODEL_DIRECT);
    check("moved where no image is held out", found.cycles.value("moved") == 1);
    check("the atoms have a shape", found.orbital.term_count() > 0);
    const auto kept = aet::FindOptions(search).keep_model().keep_orbital().hold_out(0);
    const auto gaussian = aet::find_atoms_recorded(series, nullptr, kept).orbital;
    check("the Gaussian is kept", gaussian.term_count() == 1 && gaussian.terms()[0].width == 1);
    const auto grid = aet::FindOptions{}.first_guess(aet::FirstGuess::grid).grid_spacing(2).max_cycles(1);
    const auto of_grid = aet::find_atoms_recorded(series, nullptr, grid);
    check("a grid and what became of it", of_grid.cycles.rows() == 3 && of_grid.decisions.rows() > 0);
    const auto copied = aet::FindOptions(options); // its views are its own
    check("options can be copied", aet::find_atoms(series, nullptr, copied).positions() == found.atoms.positions());
    const auto refused = [&](const char *what, aet_status wanted, const char *mention, const aet::FindOptions &wrong) {
        expect(what, wanted, mention, [&] { (void)aet::find_atoms(series, nullptr, wrong); });
    };
    refused("element 104", AET_ERROR_RANGE, "104", aet::FindOptions(search).elements({104}));
    refused("more elements than atoms", AET_ERROR_INCONSISTENT, "species", aet::FindOptions(search).elements({14, 79}));
    refused("hold_out 0.6", AET_ERROR_RANGE, "hold_out", aet::FindOptions(search).hold_out(0.6));
    refused("a grid and a start", AET_ERROR_INCONSISTENT, "start",
            aet::FindOptions(search).first_guess(aet::FirstGuess::grid));
    refused("a grid finer than pixels", AET_ERROR_RANGE, "size of a pixel", aet::FindOptions(grid).grid_spacing(0.01));
    refused("no such block", AET_ERROR_UNKNOWN_OPTION, "nonsense", aet::FindOptions(search).free({"nonsense"}));
    const std::vector<float> ones(8, 1.0F);
    const aet::Volume small(context, aet::ConstView(ones, {2, 2, 2}), 0.5);
    refused("support of another size", AET_ERROR_SHAPE, "support", aet::FindOptions(search).support(small));
}

void check_volumes(const aet::Context &context, const Host &host, const std::string &scratch) {
    std::vector<float> values(60);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7);
    const aet::Volume volume(context, aet::ConstView(values, {3, 4, 5}), 0.5);
    check("values of a volume", volume.values() == values && volume.shape() == aet::Shape({3, 4, 5}));
    const std::string path = scratch + "/volume.mrc";
    volume.write(path);
    check("MRC and back", aet::Volume::read(context, path).values() == values);
    for (const std::string file : {"/volume.npy", "/volume.mat", "/volume.emd", "/volume.tif"}) {
        volume.write(scratch + file);
        const auto again = aet::Volume::read(context, scratch + file, file == "/volume.npy" ? 0.5 : 0.0);
        check("another file and back", again.values() == values && std::abs(again.voxel_size() - 0.5) < 1e-6);
    }
    volume.write_as(scratch + "/volume", "mat73", "rec");
    check("by name", aet::Volume::read_named(context, scratch + "/volume", "rec").values() == values);
    expect("variable that is not there", AET_ERROR_UNKNOWN_OPTION, "`rec`",
           [&] { (void)aet::Volume::read_named(context, scratch + "/volume", "volume"); });
    expect("ending that tells nothing", AET_ERROR_UNKNOWN_OPTION, ".npy", [&] { volume.write(scratch + "/volume"); });
    expect("format that is none", AET_ERROR_UNKNOWN_OPTION, "mat73", [&] { volume.write_as(path, "raw"); });
    expect("npy without a voxel size", AET_ERROR_NOT_READY, "give one",
           [&] { (void)aet::Volume::read(context, scratch + "/volume.npy"); });
    const std::vector<double> angles{-10, 0, 10};
    const auto frames = aet::Frames{}.angles_deg(aet::ConstView(angles), aet::TiltAxis::y);
    const auto from_file = aet::TiltSeries::from_file(context, path, frames, aet::TiltSeries::Options{});
    check("series from a file", from_file.image_count() == 3 && std::abs(from_file.pixel_size() - 0.5) < 1e-6);
    expect("volume that is not there", AET_ERROR_FILE, "no such", [&] { (void)aet::Volume::read(context, "no such"); });

    const auto series = host.series(context);
    const auto sirt = aet::TomographyOptions{}.method(aet::TomographyMethod::sirt);
    const auto tomogram = aet::Volume::reconstruct(context, series, sirt);
    const std::vector<double> residuals = tomogram.residuals();
    check("residuals fall", residuals.size() == 25 && residuals.back() < residuals.front());
    const auto stopped =
        aet::Volume::reconstruct(context, series, sirt, [](const aet::Progress &p) { return p.iteration < 2; });
    check("a stopped reconstruction is kept", stopped.residuals().size() == 2);
    bool rethrown = false;
    try {
        (void)aet::Volume::reconstruct(context, series, sirt,
                                       [](const aet::Progress &) -> bool { throw std::logic_error("mine"); });
    } catch (const std::logic_error &) {
        rethrown = true;
    }
    check("what the progress function throws", rethrown);
    check("peaks", tomogram.trace(aet::Volume::TraceOptions{}.max_atoms(3)).size() <= 3);
    check_tracing(context);
    const auto options = aet::FindOptions{}.species(14).tomography(sirt).fit(
        aet::LocalOrbital::Options{}.model(aet::Model::direct));
    check("atoms found", aet::find_atoms(series, nullptr, options).size() > 0);
    expect("weak 2", AET_ERROR_RANGE, "weak",
           [&] { (void)aet::find_atoms(series, nullptr, aet::FindOptions{}.weak(2)); });
}

double sum_of(const std::vector<float> &values) {
    double sum = 0;
    for (const float v : values) sum += v;
    return sum;
}

void check_tomography(const aet::Context &context, const Host &host, const std::string &scratch) {
    using aet::TomographyMethod;
    using Options = aet::Tomography::Options;
    const auto series = host.series(context);
    const aet::Shape cube{20, 20, 20};
    for (const auto method : {TomographyMethod::resire, TomographyMethod::sirt, TomographyMethod::sart,
                              TomographyMethod::art, TomographyMethod::cgls, TomographyMethod::fbp,
                              TomographyMethod::wbp, TomographyMethod::genfire, TomographyMethod::est,
                              TomographyMethod::resire_fourier}) {
        const auto options = Options{}.method(method).iterations(2);
        aet::Tomography recon(context, series, options);
        recon.run(2);
        const auto volume = recon.volume();
        const double sum = sum_of(volume.values());
        check("method " + std::to_string(static_cast<int>(method)),
              volume.shape() == cube && std::isfinite(sum) && sum > 0 &&
                  volume.values() == aet::Volume::reconstruct(context, series, options).values() &&
                  recon.memory_estimate() == aet::Tomography::estimate_memory(series, options));
    }

    aet::Tomography recon(context, series);
    std::vector<float> early;
    const auto outcome = recon.run(10, [&](const aet::Progress &p) {
        if (p.iteration == 2) early = recon.snapshot().volume(context).values();
        return p.iteration < 3;
    });
    check("a run that was ended", outcome == aet::Outcome::cancelled && recon.history("loss").size() == 3);
    check("volume of a snapshot", early.size() == 8000 && early != recon.volume().values());
    std::vector<double> gradient;
    const double loss = recon.loss_and_gradient(recon.parameters(), gradient);
    check("loss and gradient", loss > 0 && gradient.size() == 8000);
    recon.save(scratch + "/tomography.aet");
    auto loaded = aet::Reconstruction::load(context, series, scratch + "/tomography.aet");
    recon.run(1);
    loaded.run(1);
    check("going on from a file", loaded.volume().values() == recon.volume().values());

    const auto support = recon.volume();
    const aet::Tomography started(context, series, Options{}.initial(support).support(support));
    check("a volume to start from", started.volume().values() == support.values());
    Options copied;
    {
        const auto weighted = Options{}.image_weights({1, 0.1}).iterations(2);
        copied = weighted; // keeps the weights
    }
    check("weights of images", aet::Volume::reconstruct(context, series, copied).values() !=
                                   aet::Volume::reconstruct(context, series, Options{}.iterations(2)).values());
    const auto half = [&](aet::ViewSubset subset) {
        aet::Tomography of_half(context, series, Options{}.subset(subset));
        of_half.run(1);
        const auto factors = of_half.r_factors();
        check("their table", of_half.r_factor_table().column("r_factor").size() == factors.size());
        return factors;
    };
    const auto axis = series.depth_axis();
    const auto rotations = series.column("rotations");
    double along = 0;
    for (std::size_t i = 8; i < rotations.size(); i += 9) along += rotations[i];
    check("average depth", std::abs(axis[2] - 9 * along / static_cast<double>(rotations.size())) < 1e-12);
    check("half sets", std::isnan(half(aet::ViewSubset::even).at(1)) && std::isnan(half(aet::ViewSubset::odd).at(0)));

    recon.freeze("drift", false);
    expect("a run with the drift free", AET_ERROR_UNSUPPORTED, "drift", [&] { recon.run(1); });
    expect("atoms of a volume", AET_ERROR_UNSUPPORTED, "atoms", [&] { (void)recon.atoms(); });
    expect("a bound with CGLS", AET_ERROR_UNSUPPORTED, "upper_bound", [&] {
        (void)aet::Volume::reconstruct(context, series, Options{}.method(TomographyMethod::cgls).upper_bound(1));
    });
    expect("too few weights", AET_ERROR_SHAPE, "image_weights",
           [&] { aet::Tomography(context, series, Options{}.image_weights({1})); });
    expect("a support of zeros", AET_ERROR_EMPTY, "support", [&] {
        const std::vector<float> zeros(8000);
        const aet::Volume nothing(context, aet::ConstView(zeros, cube), 0.5);
        aet::Tomography(context, series, Options{}.support(nothing));
    });
    expect("too little memory", AET_ERROR_MEMORY, "memory_limit",
           [&] { aet::Tomography(context, series, Options{}.memory_limit(1000)); });
}

void check_volume_filters(const aet::Context &context, const Host &host) {
    const auto ball = aet::Support({24, 24, 24}, 0.5, 4).create(context);
    const auto sum = [](const aet::Volume &volume) {
        double total = 0;
        for (const float v : volume.values()) total += v;
        return total;
    };
    const auto plain = aet::MaskOptions{}.smoothing(aet::Smoothing::none, 0).closing(0).dilation(0).minimum_island(9);
    const auto mask = aet::mask(ball, aet::MaskOptions{plain}.erosion(1));
    check("a mask that shrinks", sum(mask) < sum(ball) && sum(mask) > 0.5 * sum(ball));
    check("times the volume", sum(aet::multiply(ball, mask)) == sum(mask));
    check("threshold", aet::otsu_threshold(ball) > 0.4);
    expect("islands that are too small", AET_ERROR_EMPTY, "minimum_island", [&] { (void)aet::mask(ball); });
    expect("empty support", AET_ERROR_EMPTY, "support",
           [&] { (void)aet::Support({4, 4, 4}, 0.5, 0.1).centre(90, 0, 0).create(context); });

    const auto series = host.series(context);
    const auto low = aet::filter(ball, aet::FilterOptions{}.low_pass(0.3).padding(aet::Padding::periodic));
    check("a filter keeps the sum", std::abs(sum(low) / sum(ball) - 1) < 1e-5);
    const auto seen = aet::filter(ball, aet::FilterOptions{}.seen(6, 0.1), &series);
    check("what was seen", seen.shape() == ball.shape());
    check("smoothing", std::abs(sum(aet::smooth(ball, aet::Smoothing::gaussian, 1)) / sum(ball) - 1) < 1e-3);
    const auto curve = aet::shell_correlation(ball, low);
    check("resolution of a low pass", std::abs(1 / curve.half_bit - 0.3) < 0.12 && curve.correlation[1] > 0.99);
    const std::vector<double> points = curve.curve();
    const auto options = aet::FilterOptions{}.curve(aet::ConstView(points, {static_cast<std::int64_t>(curve.frequency.size()), 2}));
    check("Wiener filter", aet::filter(ball, options).shape() == ball.shape());
    const auto half = aet::half_sets(series);
    check("half sets", half.front() == 0 && std::count(half.begin(), half.end(), 1) > 0);
    expect("cut beyond Nyquist", AET_ERROR_RANGE, "Nyquist",
           [&] { (void)aet::filter(ball, aet::FilterOptions{}.high_pass(1.5)); });
    bool rethrown = false;
    try {
        (void)aet::mask(ball, plain, [](const aet::Progress &) -> bool { throw std::logic_error("mine"); });
    } catch (const std::logic_error &) {
        rethrown = true;
    }
    check("what the progress function of a mask throws", rethrown);
}

void check_accuracy(const aet::Context &context, const std::string &scratch) {
    // A cube of 27 gold atoms; found: all but the last, the first as copper, and one too many.
    std::vector<double> places;
    for (int i = 0; i < 27; ++i) {
        for (const int at : {i % 3, i / 3 % 3, i / 9}) places.push_back(3.0 * at - 3);
    }
    std::vector<std::int32_t> species(27, 79);
    const auto atoms = [&] {
        return aet::Atoms(aet::ConstView(places, {27, 3}), aet::Atoms::Options{}.species(species));
    };
    auto truth = atoms();
    places[78] = places[79] = 0, places[80] = 9;
    species[0] = 29;
    auto found = atoms();
    check("tracing error of a comparison", found.compare(truth).tracing_error == 2.0 / 27);
    aet::Table table = aet::accuracy(context, found, truth);
    truth = atoms(), found = atoms(); // tables need nothing of what they were made from
    const auto state = table.column("state");
    check("found and missing atoms", table.rows() == 28 && state[0] == static_cast<double>(aet::AtomState::wrong_species) &&
                                         state[27] == static_cast<double>(aet::AtomState::missing));
    check("names and units", table.columns()[0].name == "x" && table.columns()[0].unit == "A" &&
                                 table.values()[0].name == "true_count");
    check("a single value", table.value("tracing_error") == 2.0 / 27);
    std::vector<float> single(28);
    table.copy_column("surface_distance", single);
    check("a column of floats", std::abs(single[13] - 3) < 1e-5F);
    check("errors against depth", table.error_profile("depth", 4).column("true_count") == std::vector<double>{9, 18, 0, 0});
    check("whiskers", table.error_profile("depth").column("outliers") == std::vector<double>(4, 0));
    check("errors by depth", table.error_histogram("depth", 4, 3).column("count_0").size() == 3);
    const aet::Table trend = aet::rmsd_trend({100, 200, 300}, {1.5, 2, 2.5});
    check("a trend", std::abs(trend.value("slope") - 5000) < 1e-8 && std::abs(trend.value("atoms_at_limit") - 1800) < 1e-8);
    expect("a line through one point", AET_ERROR_EMPTY, "two", [] { (void)aet::rmsd_trend({100}, {1.5}); });
    check("depth of field", std::abs(aet::Probe(300e3, 25).depth_of_field() - 63) < 0.01);
    check("confusion", table.confusion().column("Cu") == std::vector<double>{1, 0});
    check("histogram", table.histogram("depth", "state", 2).columns().size() == 7);
    table.write(scratch + "/accuracy.csv");
    expect("no such column", AET_ERROR_UNKNOWN_OPTION, "surface_distance", [&] { (void)table.column("flag"); });
    expect("negative probe", AET_ERROR_RANGE, "probe_radius", [&] {
        (void)aet::accuracy(context, found, found, aet::AccuracyOptions{}.probe_radius(-1));
    });
    expect("a stopped report", AET_CANCELLED, "", [&] {
        (void)aet::accuracy(context, found, found, {}, [](const aet::Progress &) { return false; });
    });
}

// Nine empty places, nine of Cu and nine of Au, told apart by the volume and by their heights.
void check_classification(const aet::Context &context) {
    constexpr std::int64_t edge = 24, count = 27;
    std::vector<float> values(edge * edge * edge);
    std::vector<double> positions, heights;
    for (int i = 0; i < count; ++i) {
        const int x = 6 + 6 * (i % 3), y = 6 + 6 * (i / 3 % 3), z = 6 + 6 * (i / 9);
        for (const int at : {x, y, z}) positions.push_back(0.4 * (at - 12));
        heights.push_back((i % 3) * (1 + 0.01 * (7 * i % 5)) + 0.003 * (i % 4));
        for (int at = 0; at < edge * edge * edge; ++at) {
            const int dx = at % edge - x, dy = at / edge % edge - y, dz = at / (edge * edge) - z;
            values[static_cast<std::size_t>(at)] +=
                static_cast<float>(heights.back() * std::exp(-(dx * dx + dy * dy + dz * dz) / 3.0));
        }
    }
    const aet::Volume volume(context, aet::ConstView(values, {edge, edge, edge}), 0.4);
    const aet::ConstView places(positions, {count, 3});
    const aet::Atoms traced(places), known(places, aet::Atoms::Options{}.heights(aet::ConstView(heights)));
    const auto options = aet::ClassifyOptions({29, 79}).non_atoms(true);
    const auto is_true = [](const aet::Classification &found) {
        const auto classes = found.table.column("class");
        for (std::size_t i = 0; i < classes.size(); ++i)
            if (classes[i] != static_cast<double>(i % 3)) return false;
        return found.atoms.size() == 18 && found.classes.rows() == 3;
    };
    check("classes by a volume", is_true(aet::classify(traced, volume, options)));
    check("classes by heights", is_true(aet::classify(known, options)));
    const auto expected = aet::classify(known, aet::ClassifyOptions({29, 79}).expected({0.4, 1})).table.column("class");
    check("classes by what is expected", expected[1] == 1 && expected[2] == 2 && expected[25] == 1);
    expect("three strengths for two species", AET_ERROR_INCONSISTENT, "3 strengths",
           [&] { (void)aet::classify(known, aet::ClassifyOptions({29, 79}).expected({1, 2, 3})); });
    const auto local = aet::ClassifyOptions(options).method(aet::ClassifyMethod::profile_local).smoothing(0.2);
    const auto found = aet::classify(traced, volume, aet::ClassifyOptions(local).region(aet::Region::sphere, 1));
    check("classes by local profiles", is_true(found) && found.classes.value("converged") == 1);
    expect("one species", AET_ERROR_INCONSISTENT, "nothing to tell apart",
           [&] { (void)aet::classify(traced, volume, aet::ClassifyOptions({29})); });
    expect("nine species", AET_ERROR_SHAPE, "9 species",
           [&] { aet::ClassifyOptions({1, 2, 3, 4, 5, 6, 7, 8, 9}); });
    expect("no heights", AET_ERROR_NOT_READY, "heights", [&] { (void)aet::classify(traced, options); });
    bool rethrown = false;
    try {
        (void)aet::classify(traced, volume, options,
                            [](const aet::Progress &) -> bool { throw std::logic_error("mine"); });
    } catch (const std::logic_error &) {
        rethrown = true;
    }
    check("what the progress function of a classification throws", rethrown);
}

void check_lattice(const aet::Context &context) {
    // a body-centred crystal of 4 A in voxels of 0.5 A
    const std::size_t n = 40;
    std::vector<float> values(n * n * n);
    const auto wave = [](std::size_t i, double from) {
        return std::cos(std::acos(-1.0) / 2 * (0.5 * (static_cast<double>(i) - 20) - from));
    };
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double a = wave(i % n, 0.3), b = wave(i / n % n, -0.2), c = wave(i / n / n, 0.1);
        values[i] = static_cast<float>(1 + a * b + b * c + c * a);
    }
    const aet::Volume volume(context, aet::ConstView(values, {40, 40, 40}), 0.5);
    const std::vector<double> positions{0, 0, 0, 2, 2, 2};
    const aet::Atoms bare(aet::ConstView(positions, {2, 3}));
    const auto crystal = bare.with_cell({4, 4, 4});
    const auto found = aet::trace_lattice(volume, crystal);
    check("every site has its atom", found.sites.value("found_fraction") == 1 &&
                                         found.atoms.size() == found.sites.rows() &&
                                         found.sites.value("mean_displacement") < 0.05);
    const auto states = found.sites.column("state");
    check("states", std::count(states.begin(), states.end(), static_cast<double>(aet::SiteState::found)) ==
                        found.sites.rows());
    const aet::Atoms::Matrix unit{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}, edges{{{4, 0, 0}, {0, 4, 0}, {0, 0, 4}}};
    const auto options = aet::LatticeOptions{}.rotation(unit, 5).vectors(edges).region(18).smoothing(0.8);
    check("the same with options", aet::trace_lattice(volume, bare, &volume, options).atoms.size() > 50);
    expect("crystal without a cell", AET_ERROR_NOT_READY, "cell", [&] { (void)aet::trace_lattice(volume, bare); });
    expect("no rotation", AET_ERROR_INCONSISTENT, "rotation",
           [&] { (void)aet::trace_lattice(volume, crystal, nullptr, aet::LatticeOptions{}.rotation(edges)); });
}

void check_instrument(const aet::Context &context, const Host &host) {
    const auto series = host.series(context);
    check("a perfect instrument changes nothing",
          aet::record(series, aet::Instrument{}).column<float>("images") == series.column<float>("images"));
    const std::vector<double> samples{1.0, 0.8, 0.5};
    const auto instrument =
        aet::Instrument{}.seed(3).electrons_per_position(20).mtf(aet::ConstView(samples)).gain(4).walk(0.2);
    const auto recorded = aet::record(series, instrument);
    check("electrons per unit", recorded.column("counts_per_unit").front() == 0.25);
    std::vector<double> places(8 * 6 * 2);
    instrument.copy_truth("displacements", 0.5, 1, aet::View(places, {8, 6, 2}));
    check("the walk", places[0] != 0 && places[0] == places[2]);
    std::vector<float> patterns(2 * 48, 0.5F), out(patterns.size());
    aet::record_patterns(context, aet::ConstView(patterns, {2, 8, 6}), aet::Instrument{}, aet::View(out, {2, 8, 6}));
    check("patterns", out == patterns);
    expect("dqe 2", AET_ERROR_RANGE, "dqe", [&] { (void)aet::record(series, aet::Instrument{}.dqe(2)); });
    expect("walk of patterns", AET_ERROR_UNSUPPORTED, "scan", [&] {
        aet::record_patterns(context, aet::ConstView(patterns, {2, 8, 6}), instrument, aet::View(out, {2, 8, 6}));
    });
    bool rethrown = false;
    try {
        (void)aet::record(series, instrument, [](const aet::Progress &) -> bool { throw std::logic_error("mine"); });
    } catch (const std::logic_error &) {
        rethrown = true;
    }
    check("what the progress function of a recording throws", rethrown);
}

void check_specimens(const std::string &scratch) {
    const std::vector<double> positions{0, 0, 0, 2, 2, 2};
    const std::vector<std::int32_t> species{55, 17};
    const std::vector<double> factors{0.5, 0.25};
    const auto unit = aet::Atoms(aet::ConstView(positions, {2, 3}), aet::Atoms::Options{}.species(aet::ConstView(species)))
                          .with_cell({4, 4, 4})
                          .with_element_values("debye_waller_b", aet::ConstView(species), aet::ConstView(factors));
    const auto crystal = unit.repeat(2, 3, 1);
    check("repeated", crystal.size() == 12 && crystal.cell() == aet::Atoms::Vector{8, 12, 4});
    check("columns go along", crystal.column("debye_waller_b")[11] == 0.25);
    const auto turned = crystal.cut_slab(1, 4, 8).rotate({{{0, -1, 0}, {1, 0, 0}, {0, 0, 1}}});
    check("slab, turned", turned.size() == 4 && !turned.cell() && !crystal.without_cell().cell());
    const auto placed = turned.surround_with({5, 5, 5}, true);
    check("placed", placed.cell() && std::abs((*placed.cell())[0] - 12) < 1e-12);
    check("placed in a cell", turned.shift({6, -3, 0}).place_in_cell({20, 20, 20}).size() == 4);
    const auto twice = unit.merge(unit.shift({3.9, 0, 0}).wrap());
    const auto pairs = twice.close_pairs(0.2);
    check("close pairs", pairs.size() == 2 && pairs[1].first == 1 && pairs[1].second == 3 &&
                             std::abs(pairs[1].distance - 0.1) < 1e-12 && unit.close_pairs(1, true).empty());
    check("subset", twice.subset({3, 0}).column<std::int32_t>("species") == std::vector<std::int32_t>{17, 55});
    const std::vector<double> occupancies{1, 0.5};
    const auto partial = unit.with_column("occupancy", aet::ConstView(occupancies));
    const std::string file = scratch + "/a.cif";
    partial.write(file);
    check("CIF and back", aet::Atoms::read(file).column("occupancy") == occupancies);
    partial.write(file, "poscar");
    check("format by name", aet::Atoms::read(file, "poscar").cell() == aet::Atoms::Vector{4, 4, 4});
    expect("POSCAR read as CIF", AET_ERROR_FORMAT, "line", [&] { (void)aet::Atoms::read(file); });
    expect("no cell", AET_ERROR_NOT_READY, "cell", [&] { (void)turned.repeat(2, 2, 2); });
    expect("negative B", AET_ERROR_RANGE, "debye_waller_b of atom 1", [&] {
        const std::vector<double> negative{0, -1};
        (void)unit.with_column("debye_waller_b", aet::ConstView(negative));
    });
}

void check_simulations(const aet::Context &context) {
    const std::vector<double> positions{3, 4, 1, 4.2, 4.1, 3, 6, 2, 4.5}, factors{0.5, 0.5, 0.5};
    const std::vector<std::int32_t> species{79, 29, 14};
    const auto named = aet::Atoms::Options{}.species(aet::ConstView(species));
    const auto bare = aet::Atoms(aet::ConstView(positions, {3, 3}), named)
                          .with_column("debye_waller_b", aet::ConstView(factors));
    const auto atoms = bare.with_cell({8, 7, 6});
    const auto options = aet::Simulation::Options(300e3).shape(32, 40).precision(aet::Precision::f64);
    const aet::Simulation simulation(context, atoms, options);
    const auto memory = simulation.memory_estimate();
    const auto before = aet::Simulation::estimate_memory(context, atoms, options);
    check("bytes", memory.bytes == before.bytes && memory.with_gradients == before.with_gradients);
    check("what it is", simulation.shape().rows == 32 && simulation.shape().columns == 40 &&
                            simulation.slice_count() == 3 && simulation.atom_count() == 3);
    check("pixels", std::abs(simulation.pixel_size()[1] - 0.2) < 1e-12 && simulation.wavelength() < 0.02);
    const aet::Probe probe(300e3, 15);
    const aet::Detector all{aet::Detector::Options()};
    const aet::Detector center{aet::Detector::Options(aet::DetectorKind::center_of_mass)};
    const std::vector<double> places{3, 4, 4.3, 3.9}, weights{1, -2, 3, 0, 1, 0};
    const aet::ConstView two(places, {2, 2});
    check("signals", simulation.signal_count({all, center}) == 3 && simulation.signal_shape(center) == aet::Shape{2});
    const auto signals = simulation.scan(probe, two, {all, center});
    std::vector<float> patterns(2 * 32 * 40);
    simulation.patterns(probe, two, aet::View(patterns, {2, 32, 40}));
    double sum = 0;
    for (std::size_t i = 0; i < 32 * 40; ++i) sum += patterns[i];
    check("patterns", std::abs(sum - signals[0]) < 1e-6);
    check("plane waves", simulation.exit_wave() == simulation.exit_wave(3) &&
                             simulation.exit_wave(1) != simulation.exit_wave(2));
    const auto wave = simulation.exit_wave(probe, 3, 4);
    sum = 0;
    for (const auto &value : wave.values) sum += std::norm(value) * 32 * 40;
    check("a probe's wave", wave.first_row == 0 && std::abs(sum - signals[0]) < 1e-12);
    const auto again = simulation.exit_wave(aet::ConstView(wave.values, {32, 40}));
    check("an incident wave", again.size() == wave.values.size());
    std::vector<double> potential;
    for (int slice = 0; slice < 3; ++slice) {
        const auto values = simulation.potential(slice);
        potential.insert(potential.end(), values.begin(), values.end());
    }
    const std::vector<double> edges{0, 2, 4, 6};
    const aet::Simulation given(
        context, aet::ConstView(potential, {3, 32, 40}), 8, 7,
        aet::Simulation::Options(300e3).precision(aet::Precision::f64).slice_edges(aet::ConstView(edges)));
    check("of a potential", std::abs(given.scan(probe, two, {all})[0] - signals[0]) < 1e-12);
    std::vector<double> by_atom(9), by_place(4);
    auto gradients = aet::Simulation::Gradients{}.atom_positions(aet::View(by_atom, {3, 3}));
    gradients.positions(aet::View(by_place, {2, 2}));
    simulation.pull_back(probe, two, {all, center}, aet::ConstView(weights, {2, 3}), gradients);
    check("gradients", by_atom[0] != 0 && by_place[3] != 0);
    const aet::Simulation windowed(context, atoms, aet::Simulation::Options(options).window(16, 20));
    check("a window", windowed.window_shape().rows == 16 && windowed.window_shape().columns == 20);

    expect("no cell", AET_ERROR_NOT_READY, "cell", [&] { aet::Simulation(context, bare, options); });
    expect("too large a window", AET_ERROR_SHAPE, "window",
           [&] { aet::Simulation(context, atoms, aet::Simulation::Options(options).window(64, 64)); });
    expect("an aperture beyond the limit", AET_ERROR_RANGE, "at most",
           [&] { (void)simulation.scan(aet::Probe(300e3, 90), two, {all}); });
    expect("no detectors", AET_ERROR_EMPTY, "detectors", [&] { (void)simulation.scan(probe, two, {}); });
    expect("slice 3", AET_ERROR_RANGE, "0 to 2", [&] { (void)simulation.potential(3); });
    bool rethrown = false;
    try {
        (void)simulation.scan(probe, two, {all}, [](const aet::Progress &) -> bool { throw std::logic_error("mine"); });
    } catch (const std::logic_error &) {
        rethrown = true;
    }
    check("what the progress function of a scan throws", rethrown);
}

void check_ensembles(const aet::Context &context) {
    using Options = aet::Simulation::Options;
    const std::vector<double> positions{3, 4, 1, 4.2, 4.1, 3, 6, 2, 4.5}, factors{0.5, 0.5, 0.5};
    const std::vector<std::int32_t> species{79, 29, 14};
    const auto still =
        aet::Atoms(aet::ConstView(positions, {3, 3}), aet::Atoms::Options{}.species(aet::ConstView(species)))
            .with_cell({8, 7, 6});
    const auto atoms = still.with_column("debye_waller_b", aet::ConstView(factors));
    const auto options = Options(300e3).shape(32, 40).precision(aet::Precision::f64);
    const aet::Simulation simulation(context, atoms, options);
    const aet::Probe probe(300e3, 15);
    const aet::Detector all{aet::Detector::Options()};
    const aet::Detector center{aet::Detector::Options(aet::DetectorKind::center_of_mass)};
    const std::vector<double> places{3, 4, 4.3, 3.9}, exits{1, 3}, falling{2, 2};
    const aet::ConstView two(places, {2, 2});
    const auto signals = simulation.scan(probe, two, {all, center});
    const auto difference = [](const std::vector<double> &a, const double *b) {
        double largest = 0;
        for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
        return largest;
    };
    std::vector<double> mine(signals.size());
    for (int number = 0; number < 3; ++number) {
        const aet::Simulation displaced(context, atoms.displaced(5, number), options);
        const auto one = displaced.scan(probe, two, {all, center});
        for (std::size_t i = 0; i < one.size(); ++i) mine[i] += one[i] / 3;
    }
    const auto mean = simulation.scan_ensemble(probe, two, {all, center}, aet::Simulation::Ensemble{}.phonons(3, 5));
    check("frozen phonons", difference(mean.means, mine.data()) < 1e-12 && mean.standard_errors[1] > 0);
    const auto spread = aet::Simulation::Ensemble{}.defocus_spread(20, 2).semiangle_spread_mrad(0.5, 2);
    const auto blurred = simulation.scan_ensemble(probe, two, {all, center}, spread);
    check("a spread", difference(blurred.means, signals.data()) > 1e-9 && std::isnan(blurred.standard_errors[0]));
    const auto thick = simulation.thickness_series(probe, two, aet::ConstView(exits), {all, center});
    check("the last exit is the scan", thick.size() == 12 && difference(signals, thick.data() + 6) < 1e-12);

    const auto windowed = [&](std::int64_t rows, std::int64_t columns) {
        return aet::Simulation(context, atoms, Options(options).window(rows, columns))
            .window_error(probe, two, {all, center});
    };
    const auto wide = windowed(24, 30), narrow = windowed(16, 20);
    check("a larger window costs less", 0 < wide.largest && wide.relative < narrow.relative);
    const auto chosen = aet::Simulation::choose_window(atoms.with_cell({100, 80, 6}), probe, 50, Options(300e3));
    check("a chosen window", chosen.rows > 100 && chosen.rows < 800 && chosen.columns < 1000);
    const aet::Simulation padded(
        context, atoms, Options(options).window(16, 20).pattern_sampling(aet::PatternSampling::padded));
    const auto shape = padded.pattern_shape();
    check("padded patterns are larger than the window", shape.rows == 32 && shape.columns == 40);
    std::vector<double> patterns(2 * 32 * 40);
    padded.patterns(probe, two, aet::View(patterns, {2, shape.rows, shape.columns}));
    double sum = 0;
    for (const double value : patterns) sum += value;
    check("and sum to about 1", std::abs(sum / 2 - 1) < 0.05);

    const aet::Simulation prism(context, atoms, Options(options).prism(15));
    check("PRISM is multislice", difference(prism.scan(probe, two, {all, center}), signals.data()) < 1e-9);
    const auto halves = Options(options).prism(15).prism_interpolation(2, 2).prism_downsampling();
    check("PRISM with windows", aet::Simulation(context, atoms, halves).pattern_shape().rows <= 16);
    expect("PRISM in a window", AET_ERROR_UNSUPPORTED, "window",
           [&] { aet::Simulation(context, atoms, Options(options).prism(15).window(16, 20)); });
    expect("interpolation 3", AET_ERROR_RANGE, "divisor",
           [&] { aet::Simulation(context, atoms, Options(options).prism(15).prism_interpolation(3, 1)); });
    const std::vector<double> far{1, 1, -1, 1};
    const aet::Simulation strict(context, atoms, Options(options).within_cell());
    expect("outside of the cell", AET_ERROR_RANGE, "scan position 1",
           [&] { (void)strict.scan(probe, aet::ConstView(far, {2, 2}), {all}); });
    expect("exits that do not rise", AET_ERROR_RANGE, "exit 1",
           [&] { (void)simulation.thickness_series(probe, two, aet::ConstView(falling), {all}); });
    expect("a spread of -1", AET_ERROR_RANGE, "-1", [&] {
        (void)simulation.scan_ensemble(probe, two, {all}, aet::Simulation::Ensemble{}.defocus_spread(-1));
    });
    expect("phonons of still atoms", AET_ERROR_NOT_READY, "debye_waller_b", [&] { (void)still.displaced(0, 0); });
    expect("no window", AET_ERROR_UNSUPPORTED, "whole", [&] { (void)simulation.window_error(probe, two, {all}); });
    bool rethrown = false;
    try {
        (void)simulation.scan_ensemble(probe, two, {all}, spread,
                                       [](const aet::Progress &) -> bool { throw std::logic_error("mine"); });
    } catch (const std::logic_error &) {
        rethrown = true;
    }
    check("what the progress function of an ensemble throws", rethrown);
    const std::vector<double> flat(2 * 32 * 40);
    expect("a potential cancelled", AET_CANCELLED, "", [&] {
        aet::Simulation(context, aet::ConstView(flat, {2, 32, 40}), 8, 7, Options(300e3),
                        [](const aet::Progress &) { return false; });
    });
}

void check_series(const aet::Context &context, const std::string &scratch) {
    const std::vector<double> positions{0, 0, 0, 1.2, 0.3, 2}, factors{0.5, 0.6}, foci{-5, 5};
    const std::vector<double> rotations{0.8, 0, 0.6, 0, 1, 0, -0.6, 0, 0.8, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    const std::vector<std::int32_t> species{79, 29};
    const auto atoms =
        aet::Atoms(aet::ConstView(positions, {2, 3}), aet::Atoms::Options{}.species(aet::ConstView(species)))
            .with_column("debye_waller_b", aet::ConstView(factors));
    const aet::Probe probe(300e3, 15);
    const aet::Detector annular(aet::Detector::Options(aet::DetectorKind::annular).inner_mrad(10));
    auto options = aet::SeriesOptions(aet::ConstView(rotations, {2, 3, 3}), aet::ConstView(foci))
                       .simulation(aet::Simulation::Options(300e3).pixel_size(0.2))
                       .instrument(aet::Instrument{}.dose_per_a2(1e4))
                       .shape(8, 8)
                       .pixel_size(0.7)
                       .vacuum(2);
    const std::string folder = scratch + "/series";
    const auto bytes = aet::estimate_series_memory(context, atoms, probe, annular, options);
    check("memory of a series", bytes > 1 << 16);
    expect("a cap that is too low", AET_ERROR_MEMORY, "series", [&] {
        auto capped = options;
        aet::simulate_series(context, atoms, probe, annular, capped.memory_cap(1000), folder);
    });
    const auto run = [&](const aet::ProgressFunction &progress) {
        aet::simulate_series(context, atoms, probe, annular, options, folder, progress);
    };
    bool rethrown = false;
    try {
        run([](const aet::Progress &p) -> bool {
            if (p.tilt == 1) throw std::logic_error("mine");
            return true;
        });
    } catch (const std::logic_error &) {
        rethrown = true;
    }
    check("what the progress function of a series throws", rethrown);
    expect("a series cancelled", AET_CANCELLED, "", [&] { run([](const aet::Progress &) { return false; }); });
    std::int64_t first = -1, last = 0;
    run([&](const aet::Progress &p) {
        if (first < 0) first = p.probe;
        last = p.probe;
        return p.phase == aet::Phase::simulating && p.tilts == 2 && p.configurations == 1 && p.probes == 256;
    });
    check("goes on where it was", first >= 128 && last == 256);
    const auto series = aet::TiltSeries::read(context, folder);
    check("images of a series", series.image_count() == 4 && series.tilt_count() == 2 && series.rows() == 8);
    expect("a folder that exists", AET_ERROR_INCONSISTENT, "exists", [&] { run({}); });
    expect("a detector that makes no series", AET_ERROR_UNSUPPORTED, "annular", [&] {
        const aet::Detector center{aet::Detector::Options(aet::DetectorKind::center_of_mass)};
        aet::simulate_series(context, atoms, probe, center, options, scratch + "/other");
    });
    aet::simulate_series(context, atoms, probe,
                         aet::Detector(aet::Detector::Options(aet::DetectorKind::pixelated).outer_mrad(20)),
                         options.phonons(1, 2).defocus_spread(3, 2).semiangle_spread_mrad(0.1, 2).whole_window(),
                         scratch + "/patterns");
    check("patterns of a series", std::ifstream(scratch + "/patterns/patterns.npy").good());
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: %s DATA_FOLDER SCRATCH_FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    try {
        const aet::Context context;
        const Host host;
        check_errors(context, host);
        check_orbitals(context, host);
        check_detectors(context);
        check_simulations(context);
        check_ensembles(context);
        check_generated();
        check_owners(context, host);
        check_callbacks(context, host);
        check_second_order(context, host);
        check_growing(context, host);
        check_files(argv[1], argv[2]);
        check_volumes(context, host, argv[2]);
        check_finding(context, host);
        check_tomography(context, host, argv[2]);
        check_volume_filters(context, host);
        check_accuracy(context, argv[2]);
        check_classification(context);
        check_lattice(context);
        check_instrument(context, host);
        check_specimens(argv[2]);
        check_series(context, argv[2]);
    } catch (const std::exception &e) {
        check(std::string("unexpected exception: ") + e.what(), false);
    }
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
