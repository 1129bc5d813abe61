// Commands of aet_volume, and the search for atoms.

#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice first_guesses[] = {{"volume", AET_FIRST_GUESS_VOLUME}, {"grid", AET_FIRST_GUESS_GRID}};

void create(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const aet_const_view values = stack_view(call.argument(1), "values");
  aet_volume *volume = nullptr;
  check(aet_volume_create(context.get(), &values, number(call.argument(2), "voxelSize"), &volume));
  call.give_handle(volume);
}

void read(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const std::string path = call.text(1, "path");
  const std::string name = call.text(2, "name");
  const double voxel_size = number(call.argument(3), "voxelSize");
  ProgressBridge progress(call.argument(4));
  aet_volume *volume = nullptr;
  const aet_status status =
      name.empty() ? aet_volume_read(context.get(), path.c_str(), voxel_size, ProgressBridge::call, &progress, &volume)
                   : aet_volume_read_named(context.get(), path.c_str(), name.c_str(), voxel_size, ProgressBridge::call,
                                           &progress, &volume);
  give_made(call, volume, status, progress);
}

void write(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const std::string path = call.text(1, "path");
  const std::string format = call.text(2, "format");
  const std::string name = call.text(3, "name");
  const auto given = [](const std::string &text) { return text.empty() ? nullptr : text.c_str(); };
  ProgressBridge progress(call.argument(4));
  const aet_status status = format.empty() && name.empty()
                                ? aet_volume_write(volume.get(), path.c_str(), ProgressBridge::call, &progress)
                                : aet_volume_write_as(volume.get(), path.c_str(), given(format), given(name),
                                                      ProgressBridge::call, &progress);
  progress.rethrow();
  call.give(0, check_outcome(status));
}

/// rows x columns x planes: y, x, z.
void copy_to(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  int64_t shape[3] = {0, 0, 0};
  check(aet_volume_shape(volume.get(), shape));
  const bool single = call.text(1, "class") == "single";
  const Output out = stack_output(shape[0], shape[1], shape[2], single ? mxSINGLE_CLASS : mxDOUBLE_CLASS);
  check(aet_volume_copy_to(volume.get(), &out.view));
  call.give(0, out.array);
}

void copy_residuals(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const Output out = vector_output(aet_volume_residual_count(volume.get()));
  check(aet_volume_copy_residuals(volume.get(), &out.view));
  call.give(0, out.array);
}

constexpr Choice trace_methods[] = {{"parabola", AET_TRACE_METHOD_PARABOLA},
                                    {"polynomial", AET_TRACE_METHOD_POLYNOMIAL},
                                    {"gaussian", AET_TRACE_METHOD_GAUSSIAN}};
constexpr Choice trace_thresholds[] = {{"part", AET_TRACE_THRESHOLD_PART},
                                       {"value", AET_TRACE_THRESHOLD_VALUE},
                                       {"histogram", AET_TRACE_THRESHOLD_HISTOGRAM}};

/// aet_volume_trace(volume, options, support or [], progress): keys of the atoms and of the table of candidates.
void trace(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const Options given = call.options(1);
  const auto support = call.optional_handle<aet_volume>(2);
  auto options = defaults(aet_trace_options_init);
  given.read("Smoothing", options.smoothing);
  given.read("MinimumDistance", options.minimum_distance);
  given.read("Threshold", options.threshold);
  given.read("MaxAtoms", options.max_atoms);
  given.read("Species", options.species);
  given.read("RemovalRadius", options.removal_radius);
  given.read("FitRadius", options.fit_radius);
  given.read("ExplainPart", options.explain_part);
  given.choose("Method", trace_methods, options.method);
  given.choose("Thresholding", trace_thresholds, options.thresholding);
  given.read_flag("Anisotropic", options.anisotropic);
  given.read("ExplainRounds", options.explain_rounds);
  options.support = support.get();
  aet_const_view added{}, removed{};
  if (const mxArray *places = given.find("Added")) {
    added = matrix_view(places, "Added");
    options.added = &added;
  }
  if (const mxArray *places = given.find("Removed")) {
    removed = matrix_view(places, "Removed");
    options.removed = &removed;
  }
  if (call.outputs() < 2) {
    throw Failure("aet:null", "volume_trace gives two objects, both of which must be taken");
  }
  ProgressBridge progress(call.argument(3));
  aet_atoms *atoms = nullptr;
  aet_table *candidates = nullptr;
  const aet_status status =
      aet_volume_trace(volume.get(), &options, ProgressBridge::call, &progress, &atoms, &candidates);
  std::unique_ptr<aet_atoms, void (*)(aet_atoms *)> made(atoms, aet_atoms_free);
  std::unique_ptr<aet_table, void (*)(aet_table *)> rows(candidates, aet_table_free);
  progress.rethrow();
  check(status);
  call.give_handle(0, made.release());
  call.give_handle(1, rows.release());
}

/// aet_dataset_find_atoms(dataset, probe or [], options, tomography, start or [], support or [], free, progress): keys of
/// the atoms, of the first guess, of the table of fits, of the orbital and of the table of decisions. A cancelled search keeps those of its last fit.
void find_atoms(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const auto probe = call.optional_handle<aet_probe>(1);
  const Options given = call.options(2);
  const LotOptions fit = lot_options(given);
  const TomographyOptions tomography(call.options(3), AET_TOMOGRAPHY_METHOD_SIRT);
  const auto start = call.optional_handle<aet_atoms>(4);
  const auto support = call.optional_handle<aet_volume>(5);
  auto options = defaults(aet_find_options_init);
  options.fit = &fit.values;
  options.tomography = &tomography.values;
  options.start = start.get();
  options.support = support.get();
  given.read("MinimumDistance", options.minimum_distance);
  given.read("Smoothing", options.smoothing);
  given.read("Threshold", options.threshold);
  given.read("Weak", options.weak);
  given.read("Split", options.split);
  given.read("Isolation", options.isolation);
  given.choose("FirstGuess", first_guesses, options.first_guess);
  given.read("GridSpacing", options.grid_spacing);
  given.read("DefocusRange", options.defocus_range);
  given.read("HoldOut", options.hold_out);
  given.read_flag("KeepModel", options.keep_model);
  given.read_flag("KeepOrbital", options.keep_orbital);
  given.read("MaxCycles", options.max_cycles);
  given.read("FitIterations", options.fit_iterations);
  given.read("Species", options.species);
  aet_const_view elements{};
  if (const mxArray *numbers = given.find("Elements")) {
    elements = vector_view(numbers, "Elements");
    options.elements = &elements;
  }
  const std::string free = call.text(6, "Free");
  options.free = free.c_str();
  if (call.outputs() < 5) {
    throw Failure("aet:null", "dataset_find_atoms gives five objects, all of which must be taken");
  }
  ProgressBridge progress(call.argument(7));
  aet_atoms *atoms = nullptr, *traced = nullptr;
  aet_table *cycles = nullptr, *decisions = nullptr;
  aet_orbital *orbital = nullptr;
  const aet_status status = aet_dataset_find_atoms(dataset.get(), probe.get(), &options, ProgressBridge::call, &progress,
                                                   &atoms, &traced, &cycles, &orbital, &decisions);
  std::unique_ptr<aet_atoms, void (*)(aet_atoms *)> made(atoms, aet_atoms_free);
  std::unique_ptr<aet_atoms, void (*)(aet_atoms *)> first(traced, aet_atoms_free);
  std::unique_ptr<aet_table, void (*)(aet_table *)> rows(cycles, aet_table_free);
  std::unique_ptr<aet_orbital, void (*)(aet_orbital *)> shape(orbital, aet_orbital_free);
  std::unique_ptr<aet_table, void (*)(aet_table *)> log(decisions, aet_table_free);
  progress.rethrow();
  if (!made) {
    check(status);
  }
  call.give_handle(0, made.release());
  call.give_handle(1, first.release());
  call.give_handle(2, rows.release());
  call.give_handle(3, shape.release());
  call.give_handle(4, log.release());
}

/// What a call kept although the progress function failed: nobody will ask for it.
void handle_free(Call &call) { free_any_handle(key(call.argument(0))); }

}  // namespace

void add_volume_commands(CommandTable &table) {
  table["handle_free"] = handle_free;
  table["volume_create"] = create;
  table["volume_read"] = read;
  table["volume_write"] = write;
  table["volume_free"] = free_handle<aet_volume>;
  table["volume_voxel_size"] = number_of<aet_volume, double, aet_volume_voxel_size>;
  table["volume_copy_to"] = copy_to;
  table["volume_copy_residuals"] = copy_residuals;
  table["volume_trace"] = trace;
  table["dataset_find_atoms"] = find_atoms;
}

}  // namespace aet_mex
