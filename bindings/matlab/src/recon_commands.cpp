// Commands of aet_recon: creation, driving, results, files, live view.
#include <memory>

#include "call.hpp"
#include "host_functions.hpp"
#include "recon_blocks.hpp"

namespace aet_mex {

namespace {

constexpr Choice models[] = {
    {"direct", AET_LOT_MODEL_DIRECT}, {"rigid", AET_LOT_MODEL_RIGID}, {"adaptive", AET_LOT_MODEL_ADAPTIVE}};
constexpr Choice losses[] = {{"automatic", AET_LOSS_AUTOMATIC}, {"mse", AET_LOSS_MSE}, {"poisson", AET_LOSS_POISSON},
                             {"anscombe", AET_LOSS_ANSCOMBE}, {"huber", AET_LOSS_HUBER}, {"gaussian", AET_LOSS_GAUSSIAN}};
constexpr Choice slicings[] = {{"linear", AET_SLICING_LINEAR}, {"hard", AET_SLICING_HARD}};
constexpr Choice modes[] = {{"automatic", AET_LOT_MODE_AUTOMATIC},
                             {"slices", AET_LOT_MODE_SLICES},
                             {"templates", AET_LOT_MODE_TEMPLATES},
                             {"knots", AET_LOT_MODE_KNOTS}};
constexpr Choice probe_sharings[] = {{"section", AET_PROBE_SHARING_SECTION}, {"image", AET_PROBE_SHARING_IMAGE}};
constexpr Choice precisions[] = {{"single", AET_PRECISION_SINGLE}, {"double", AET_PRECISION_DOUBLE}};
constexpr Choice sharings[] = {{"automatic", AET_SHARING_AUTOMATIC},
                               {"atom", AET_SHARING_ATOM},
                               {"species", AET_SHARING_SPECIES},
                               {"common", AET_SHARING_COMMON}};
constexpr Choice optimizers[] = {{"automatic", AET_OPTIMIZER_AUTOMATIC},
                                 {"lbfgs", AET_OPTIMIZER_LBFGS},
                                 {"gradientDescent", AET_OPTIMIZER_GRADIENT_DESCENT},
                                 {"adam", AET_OPTIMIZER_ADAM},
                                 {"conjugateGradient", AET_OPTIMIZER_CONJUGATE_GRADIENT},
                                 {"levenbergMarquardt", AET_OPTIMIZER_LEVENBERG_MARQUARDT}};

}  // namespace

LotOptions lot_options(const Options &given) {
  LotOptions result{defaults(aet_lot_options_init), nullptr};
  aet_lot_options &options = result.values;
  given.choose("Model", models, options.model);
  given.choose("Loss", losses, options.loss);
  given.choose("Slicing", slicings, options.slicing);
  given.choose("Mode", modes, options.mode);
  given.choose("Precision", precisions, options.precision);
  given.choose("HeightSharing", sharings, options.height_sharing);
  given.choose("WidthSharing", sharings, options.width_sharing);
  given.read("SliceThickness", options.slice_thickness);
  given.read("WidthStart", options.width_start);
  given.read("WidthMin", options.width_min);
  given.read("WidthMax", options.width_max);
  given.read("Cutoff", options.cutoff);
  given.read("MemoryLimit", options.memory_limit);
  given.read("HuberThreshold", options.huber_threshold);
  given.read("DepthError", options.depth_error);
  given.choose("ProbeSharing", probe_sharings, options.probe_sharing);
  given.read("ProbeSide", options.probe_side);
  given.read("ProbeSmoothness", options.probe_smoothness);
  if (const mxArray *orbital = given.find("Orbital")) {
    result.orbital = HandleTable<aet_orbital>::instance().find(key(orbital));
    options.orbital = result.orbital.get();
  }
  return result;
}

namespace {

void create_lot(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const auto dataset = call.handle<aet_dataset>(1);
  const auto probe = call.optional_handle<aet_probe>(2);
  const auto start = call.handle<aet_atoms>(3);
  const LotOptions options = lot_options(call.options(4));
  aet_recon *recon = nullptr;
  check(aet_recon_create_lot(context.get(), dataset.get(), probe.get(), start.get(), &options.values, &recon));
  call.give_handle(recon);
}

/// next = aet_mex('recon_continue_lot', recon, options)
void continue_lot(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const LotOptions options = lot_options(call.options(1));
  aet_recon *next = nullptr;
  check(aet_recon_continue_lot(recon.get(), &options.values, &next));
  call.give_handle(next);
}

/// table = aet_mex('recon_scan_defocus', recon, options, progress)
void scan_defocus(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Options given = call.options(1);
  double range = 0, step = 0, tilts = 0;
  given.read("Range", range);
  given.read("Step", step);
  given.read("Tilts", tilts);
  ProgressBridge progress(call.argument(2));
  aet_table *table = nullptr;
  const aet_status status =
      aet_recon_scan_defocus(recon.get(), range, step, tilts, ProgressBridge::call, &progress, &table);
  give_made(call, table, status, progress);
}

void probe_table(Call &call) {
  aet_table *made = nullptr;
  check(aet_recon_probe_table(call.handle<aet_recon>(0).get(), &made));
  call.give_handle(made);
}

/// [depths, probes] = aet_mex('recon_probe_images', recon, image): image from 1, probes side x side x slices.
void probe_images(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const int64_t image = integer(call.argument(1), "image") - 1;
  require_indices({image}, "image", image_count(recon.get()));
  int64_t slices = 0, side = 0;
  check(aet_recon_probe_images(recon.get(), image, &slices, &side, nullptr, nullptr));
  const Output depths = vector_output(slices), probes = stack_output(slices, side, side);
  check(aet_recon_probe_images(recon.get(), image, &slices, &side, &depths.view, &probes.view));
  call.give(0, depths.array);
  call.give(1, probes.array);
}

void free_recon(Call &call) {
  free_handle<aet_recon>(call);
  release_host_functions(key(call.argument(0)));
}

void memory_estimate(Call &call) {
  uint64_t bytes = 0;
  check(aet_recon_memory_estimate(call.handle<aet_recon>(0).get(), &bytes));
  call.give(0, static_cast<double>(bytes));
}

void step(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  ProgressBridge progress(call.argument(1));
  const aet_status status = aet_recon_step(recon.get(), ProgressBridge::call, &progress);
  progress.rethrow();
  call.give(0, check_outcome(status));
}

void run(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Options given = call.options(1);
  auto options = defaults(aet_run_options_init);
  given.read("MaxIterations", options.max_iterations);
  given.read("MaxSeconds", options.max_seconds);
  given.read("LossTolerance", options.loss_tolerance);
  given.read("GradientTolerance", options.gradient_tolerance);
  given.choose("Optimizer", optimizers, options.optimizer);
  given.read("BatchFraction", options.batch_fraction);
  given.read("Seed", options.seed);
  ProgressBridge progress(call.argument(2));
  const aet_status status = aet_recon_run(recon.get(), &options, ProgressBridge::call, &progress);
  progress.rethrow();
  call.give(0, check_outcome(status));
}

void copy_history(Call &call) {
  constexpr const char *names[] = {"iteration", "loss",        "r_factor",   "r_free",          "gradient_norm", "step",
                                   "seconds",   "evaluations", "generation", "dataset_version", "optimizer"};
  const auto recon = call.handle<aet_recon>(0);
  const int64_t count = aet_recon_history_count(recon.get());
  mxArray *history = mxCreateStructMatrix(1, 1, 0, nullptr);
  for (const char *name : names) {
    const Output column = vector_output(count);
    check(aet_recon_copy_history(recon.get(), name, &column.view));
    mxSetFieldByNumber(history, 0, mxAddField(history, camel_case(name).c_str()), column.array);
  }
  call.give(0, history);
}

void copy_r_factors(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Output out = vector_output(image_count(recon.get()));
  check(aet_recon_copy_r_factors(recon.get(), &out.view));
  call.give(0, out.array);
}

void r_factor_table(Call &call) {
  aet_table *made = nullptr;
  check(aet_recon_r_factor_table(call.handle<aet_recon>(0).get(), &made));
  call.give_handle(made);
}

void record(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  call.give(0, read_text([&](char *b, size_t c, size_t *n) { return aet_recon_record(recon.get(), b, c, n); }));
}

void get_atoms(Call &call) {
  aet_atoms *atoms = nullptr;
  check(aet_recon_get_atoms(call.handle<aet_recon>(0).get(), &atoms));
  call.give_handle(atoms);
}

void get_geometry(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const int64_t n = image_count(recon.get());
  const Output rotations = stack_output(n, 3, 3);
  const Output drift = matrix_output(n, 2);
  const Output defocus = vector_output(n);
  check(aet_recon_get_geometry(recon.get(), &rotations.view, &drift.view, &defocus.view));
  call.give(0, rotations.array);
  call.give(1, drift.array);
  call.give(2, defocus.array);
}

void save(Call &call) { check(aet_recon_save(call.handle<aet_recon>(0).get(), call.text(1, "path").c_str())); }

void load(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const auto dataset = call.handle<aet_dataset>(1);
  const auto probe = call.optional_handle<aet_probe>(2);
  aet_recon *recon = nullptr;
  check(aet_recon_load(context.get(), dataset.get(), probe.get(), call.text(3, "path").c_str(), &recon));
  call.give_handle(recon);
}

/// aet_mex('recon_snapshot', recon, 'atoms') or (..., 'volume', context): [handle, iteration, loss, generation] of the
/// latest consistent state.
void snapshot(Call &call) {
  aet_snapshot *raw = nullptr;
  check(aet_recon_snapshot(call.handle<aet_recon>(0).get(), &raw));
  const std::unique_ptr<aet_snapshot, void (*)(aet_snapshot *)> snapshot(raw, aet_snapshot_free);
  if (call.text(1, "what") == "volume") {
    aet_volume *volume = nullptr;
    check(aet_snapshot_get_volume(call.handle<aet_context>(2).get(), snapshot.get(), &volume));
    call.give_handle(volume);
  } else {
    aet_atoms *atoms = nullptr;
    check(aet_snapshot_get_atoms(snapshot.get(), &atoms));
    call.give_handle(atoms);
  }
  call.give(1, static_cast<double>(aet_snapshot_iteration(snapshot.get())));
  call.give(2, aet_snapshot_loss(snapshot.get()));
  call.give(3, static_cast<double>(aet_snapshot_generation(snapshot.get())));
}

/// Names of the research knobs as a cell column.
void param_names(Call &call) {
  const int64_t count = aet_recon_param_count();
  mxArray *names = mxCreateCellMatrix(static_cast<mwSize>(count), 1);
  for (int64_t i = 0; i < count; ++i) {
    mxSetCell(names, static_cast<mwIndex>(i), make_text(aet_recon_param_name(i)));
  }
  call.give(0, names);
}

void get_param(Call &call) {
  double value = 0.0;
  check(aet_recon_get_param(call.handle<aet_recon>(0).get(), call.text(1, "name").c_str(), &value));
  call.give(0, value);
}

void set_param(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  check(aet_recon_set_param(recon.get(), call.text(1, "name").c_str(), number(call.argument(2), "value")));
}

}  // namespace

void add_recon_commands(CommandTable &table) {
  table["recon_create_lot"] = create_lot;
  table["recon_free"] = free_recon;
  table["recon_memory_estimate"] = memory_estimate;
  table["recon_generation"] = number_of<aet_recon, uint64_t, aet_recon_generation>;
  table["recon_step"] = step;
  table["recon_run"] = run;
  table["recon_copy_history"] = copy_history;
  table["recon_continue_lot"] = continue_lot;
  table["recon_scan_defocus"] = scan_defocus;
  table["recon_probe_table"] = probe_table;
  table["recon_probe_images"] = probe_images;
  table["recon_copy_r_factors"] = copy_r_factors;
  table["recon_r_factor_table"] = r_factor_table;
  table["recon_record"] = record;
  table["recon_get_atoms"] = get_atoms;
  table["recon_get_geometry"] = get_geometry;
  table["recon_save"] = save;
  table["recon_load"] = load;
  table["recon_snapshot"] = snapshot;
  table["recon_param_names"] = param_names;
  table["recon_get_param"] = get_param;
  table["recon_set_param"] = set_param;
}

}  // namespace aet_mex
