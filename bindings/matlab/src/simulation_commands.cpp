// Commands of aet_simulation.
#include <optional>
#include <vector>

#include "call.hpp"
#include "simulation_options.hpp"

namespace aet_mex {

namespace {

void create(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const auto atoms = call.handle<aet_atoms>(1);
  const SimulationOptions options(call.options(2));
  ProgressBridge progress(call.argument(3));
  aet_simulation *simulation = nullptr;
  const aet_status status = aet_simulation_create(context.get(), atoms.get(), options.get(), ProgressBridge::call,
                                                  &progress, &simulation);
  give_made(call, simulation, status, progress);
}

/// Of a rows x columns x slices potential over a cell [x y].
void create_from_potential(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const aet_const_view potential = stack_view(call.argument(1), "potential");
  const double *cell = pair(call.argument(2), "cell");
  const SimulationOptions options(call.options(3));
  ProgressBridge progress(call.argument(4));
  aet_simulation *simulation = nullptr;
  const aet_status status =
      aet_simulation_create_from_potential(context.get(), &potential, cell[0], cell[1], options.get(),
                                           ProgressBridge::call, &progress, &simulation);
  give_made(call, simulation, status, progress);
}

/// Bytes of scans, bytes with gradients.
void give_memory(Call &call, uint64_t bytes, uint64_t with_gradients) {
  call.give(0, static_cast<double>(bytes));
  call.give(1, static_cast<double>(with_gradients));
}

void estimate_memory(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const auto atoms = call.handle<aet_atoms>(1);
  const SimulationOptions options(call.options(2));
  uint64_t bytes = 0, with_gradients = 0;
  check(aet_simulation_estimate_memory(context.get(), atoms.get(), options.get(), &bytes, &with_gradients));
  give_memory(call, bytes, with_gradients);
}

void memory_estimate(Call &call) {
  uint64_t bytes = 0, with_gradients = 0;
  check(aet_simulation_memory_estimate(call.handle<aet_simulation>(0).get(), &bytes, &with_gradients));
  give_memory(call, bytes, with_gradients);
}

struct Size {
  int64_t rows = 0, columns = 0;
};

template <aet_status (*getter)(const aet_simulation *, int64_t *, int64_t *)>
Size size_of(const aet_simulation *simulation) {
  Size size;
  check(getter(simulation, &size.rows, &size.columns));
  return size;
}

/// [rows columns].
mxArray *make_size(const Size &size) {
  const Output out = matrix_output(1, 2);
  mxGetDoubles(out.array)[0] = static_cast<double>(size.rows);
  mxGetDoubles(out.array)[1] = static_cast<double>(size.columns);
  return out.array;
}

template <aet_status (*getter)(const aet_simulation *, int64_t *, int64_t *)>
void give_size(Call &call) {
  call.give(0, make_size(size_of<getter>(call.handle<aet_simulation>(0).get())));
}

void choose_window(Call &call) {
  const auto atoms = call.handle<aet_atoms>(0);
  const auto probe = call.handle<aet_probe>(1);
  const SimulationOptions options(call.options(3));
  Size size;
  check(aet_simulation_choose_window(atoms.get(), probe.get(), number(call.argument(2), "focus"), options.get(),
                                     &size.rows, &size.columns));
  call.give(0, make_size(size));
}

/// [y x].
void pixel_size(Call &call) {
  const Output out = matrix_output(1, 2);
  double *size = mxGetDoubles(out.array);
  check(aet_simulation_pixel_size(call.handle<aet_simulation>(0).get(), size, size + 1));
  call.give(0, out.array);
}

void potential(Call &call) {
  const auto simulation = call.handle<aet_simulation>(0);
  const int64_t slice = integer(call.argument(1), "slice") - 1;
  require_indices({slice}, "slice", aet_simulation_slice_count(simulation.get()));
  const Size size = size_of<aet_simulation_shape>(simulation.get());
  const Output out = matrix_output(size.rows, size.columns);
  check(aet_simulation_potential(simulation.get(), slice, &out.view));
  call.give(0, out.array);
}

/// An empty incident wave is a plane one.
void exit_wave(Call &call) {
  const auto simulation = call.handle<aet_simulation>(0);
  const mxArray *given = call.argument(1);
  const auto incident = mxIsEmpty(given) ? std::nullopt : std::make_optional(matrix_view(given, "incident"));
  const Size size = size_of<aet_simulation_shape>(simulation.get());
  const Output out = complex_output(size.rows, size.columns);
  check(aet_simulation_exit_wave(simulation.get(), incident ? &*incident : nullptr,
                                 integer(call.argument(2), "slices"), &out.view));
  call.give(0, out.array);
}

/// The wave, and the pixel [row column] of the cell that is its first.
void probe_exit_wave(Call &call) {
  const auto simulation = call.handle<aet_simulation>(0);
  const auto probe = call.handle<aet_probe>(1);
  const double *position = pair(call.argument(2), "position");
  const Size size = size_of<aet_simulation_window_shape>(simulation.get());
  const Output out = complex_output(size.rows, size.columns);
  int64_t row = 0, column = 0;
  check(aet_simulation_probe_exit_wave(simulation.get(), probe.get(), position[0], position[1],
                                       integer(call.argument(3), "slices"), &out.view, &row, &column));
  call.give(0, out.array);
  const Output first = matrix_output(1, 2);
  mxGetDoubles(first.array)[0] = static_cast<double>(row + 1);
  mxGetDoubles(first.array)[1] = static_cast<double>(column + 1);
  call.give(1, first.array);
}

/// Detectors behind a vector of keys.
class Detectors {
 public:
  explicit Detectors(const mxArray *keys) {
    if (!mxIsUint64(keys) && !mxIsEmpty(keys)) {
      throw Failure("aet:staleHandle", "detectors: got no handles (uint64 keys) where some were wanted");
    }
    for (size_t i = 0; i < mxGetNumberOfElements(keys); ++i) {
      owners_.push_back(HandleTable<aet_detector>::instance().find(static_cast<const uint64_t *>(mxGetData(keys))[i]));
      pointers_.push_back(owners_.back().get());
    }
  }
  const aet_detector *const *data() const { return pointers_.data(); }
  int64_t size() const { return static_cast<int64_t>(pointers_.size()); }

 private:
  std::vector<std::shared_ptr<aet_detector>> owners_;
  std::vector<const aet_detector *> pointers_;
};

/// Shape of the signal of a detector: [], [n] or [rows columns].
void signal_shape(Call &call) {
  int32_t ndim = 0;
  int64_t shape[2] = {1, 1};
  check(aet_simulation_signal_shape(call.handle<aet_simulation>(0).get(), call.handle<aet_detector>(1).get(), &ndim,
                                    shape));
  const Output out = matrix_output(1, ndim);
  for (int32_t axis = 0; axis < ndim; ++axis) {
    mxGetDoubles(out.array)[axis] = static_cast<double>(shape[axis]);
  }
  call.give(0, out.array);
}

/// What scans take first: simulation, probe, positions, detectors.
struct Scan {
  explicit Scan(const Call &call)
      : simulation(call.handle<aet_simulation>(0)),
        probe(call.handle<aet_probe>(1)),
        positions(matrix_view(call.argument(2), "positions")),
        detectors(call.argument(3)) {}
  /// Values of all detectors per position.
  int64_t signal_count() const {
    int64_t count = 0;
    check(aet_simulation_signal_count(simulation.get(), detectors.data(), detectors.size(), &count));
    return count;
  }

  std::shared_ptr<aet_simulation> simulation;
  std::shared_ptr<aet_probe> probe;
  aet_const_view positions;
  Detectors detectors;
};

/// n x count.
void scan(Call &call) {
  const Scan scan(call);
  ProgressBridge progress(call.argument(4));
  const Output out = matrix_output(scan.positions.shape[0], scan.signal_count());
  const aet_status status =
      aet_simulation_scan(scan.simulation.get(), scan.probe.get(), &scan.positions, scan.detectors.data(),
                          scan.detectors.size(), ProgressBridge::call, &progress, &out.view);
  progress.rethrow();
  check(status);
  call.give(0, out.array);
}

/// Means and standard errors, n x count.
void scan_ensemble(Call &call) {
  const Scan scan(call);
  const Options given = call.options(4);
  ProgressBridge progress(call.argument(5));
  aet_ensemble_options options = defaults(aet_ensemble_options_init);
  given.read("PhononConfigurations", options.phonon_configurations);
  given.read("PhononSeed", options.phonon_seed);
  given.read("DefocusSpread", options.defocus_spread);
  given.read("DefocusNodes", options.defocus_nodes);
  given.read("SemiAngleSpreadMrad", options.semiangle_spread_mrad);
  given.read("SemiAngleNodes", options.semiangle_nodes);
  const int64_t count = scan.signal_count();
  const Output means = matrix_output(scan.positions.shape[0], count);
  const Output errors = matrix_output(scan.positions.shape[0], count);
  const aet_status status = aet_simulation_scan_ensemble(
      scan.simulation.get(), scan.probe.get(), &scan.positions, scan.detectors.data(), scan.detectors.size(), &options,
      ProgressBridge::call, &progress, &means.view, &errors.view);
  progress.rethrow();
  check(status);
  call.give(0, means.array);
  call.give(1, errors.array);
}

/// n x count x exits.
void thickness_series(Call &call) {
  const Scan scan(call);
  const aet_const_view exits = vector_view(call.argument(4), "exitSlices");
  ProgressBridge progress(call.argument(5));
  const Output out = stack_output(exits.shape[0], scan.positions.shape[0], scan.signal_count());
  const aet_status status = aet_simulation_thickness_series(
      scan.simulation.get(), scan.probe.get(), &scan.positions, &exits, scan.detectors.data(), scan.detectors.size(),
      ProgressBridge::call, &progress, &out.view);
  progress.rethrow();
  check(status);
  call.give(0, out.array);
}

/// Largest difference of any signal, and the same over the largest signal.
void window_error(Call &call) {
  const Scan scan(call);
  ProgressBridge progress(call.argument(4));
  double largest = 0, relative = 0;
  const aet_status status = aet_simulation_window_error(
      scan.simulation.get(), scan.probe.get(), &scan.positions, scan.detectors.data(), scan.detectors.size(),
      ProgressBridge::call, &progress, &largest, &relative);
  progress.rethrow();
  check(status);
  call.give(0, largest);
  call.give(1, relative);
}

/// rows x columns x n, as singles.
void patterns(Call &call) {
  const auto simulation = call.handle<aet_simulation>(0);
  const auto probe = call.handle<aet_probe>(1);
  const aet_const_view positions = matrix_view(call.argument(2), "positions");
  ProgressBridge progress(call.argument(3));
  const Size size = size_of<aet_simulation_pattern_shape>(simulation.get());
  const Output out = stack_output(positions.shape[0], size.rows, size.columns, mxSINGLE_CLASS);
  const aet_status status = aet_simulation_patterns(simulation.get(), probe.get(), &positions, ProgressBridge::call,
                                                    &progress, &out.view);
  progress.rethrow();
  check(status);
  call.give(0, out.array);
}

/// A struct with the gradients that argument 5, a struct of flags, asks for.
void pull_back(Call &call) {
  const auto simulation = call.handle<aet_simulation>(0);
  const auto probe = call.handle<aet_probe>(1);
  const aet_const_view positions = matrix_view(call.argument(2), "positions");
  const Detectors detectors(call.argument(3));
  const aet_const_view by_signal = matrix_view(call.argument(4), "bySignal");
  const Options wanted = call.options(5);
  ProgressBridge progress(call.argument(6));
  const Size size = size_of<aet_simulation_shape>(simulation.get());
  const int64_t slices = aet_simulation_slice_count(simulation.get());
  const int64_t atoms = aet_simulation_atom_count(simulation.get());
  aet_scan_gradients gradients = defaults(aet_scan_gradients_init);
  gradients.by_signal = &by_signal;

  const char *names[] = {"positions", "potential", "atomPositions", "debyeWallerB", "occupancy"};
  const aet_view **places[] = {&gradients.positions, &gradients.potential, &gradients.atom_positions,
                               &gradients.debye_waller_b, &gradients.occupancy};
  Output outputs[5] = {};
  const auto make = [&](int which) {
    switch (which) {
      case 0: return matrix_output(positions.shape[0], 2);
      case 1: return stack_output(slices, size.rows, size.columns);
      case 2: return matrix_output(atoms, 3);
      default: return vector_output(atoms);
    }
  };
  for (int i = 0; i < 5; ++i) {
    if (wanted.find(names[i])) {
      outputs[i] = make(i);
      *places[i] = &outputs[i].view;
    }
  }
  const aet_status status =
      aet_simulation_pull_back(simulation.get(), probe.get(), &positions, detectors.data(), detectors.size(),
                               &gradients, ProgressBridge::call, &progress);
  progress.rethrow();
  check(status);
  mxArray *result = mxCreateStructMatrix(1, 1, 0, nullptr);
  for (int i = 0; i < 5; ++i) {
    if (outputs[i].array) {
      mxSetFieldByNumber(result, 0, mxAddField(result, names[i]), outputs[i].array);
    }
  }
  call.give(0, result);
}

}  // namespace

void add_simulation_commands(CommandTable &table) {
  table["simulation_create"] = create;
  table["simulation_create_from_potential"] = create_from_potential;
  table["simulation_free"] = free_handle<aet_simulation>;
  table["simulation_estimate_memory"] = estimate_memory;
  table["simulation_memory_estimate"] = memory_estimate;
  table["simulation_slice_count"] = number_of<aet_simulation, int64_t, aet_simulation_slice_count>;
  table["simulation_atom_count"] = number_of<aet_simulation, int64_t, aet_simulation_atom_count>;
  table["simulation_wavelength"] = number_of<aet_simulation, double, aet_simulation_wavelength>;
  table["simulation_shape"] = give_size<aet_simulation_shape>;
  table["simulation_window_shape"] = give_size<aet_simulation_window_shape>;
  table["simulation_pattern_shape"] = give_size<aet_simulation_pattern_shape>;
  table["simulation_choose_window"] = choose_window;
  table["simulation_pixel_size"] = pixel_size;
  table["simulation_potential"] = potential;
  table["simulation_exit_wave"] = exit_wave;
  table["simulation_probe_exit_wave"] = probe_exit_wave;
  table["simulation_signal_shape"] = signal_shape;
  table["simulation_scan"] = scan;
  table["simulation_scan_ensemble"] = scan_ensemble;
  table["simulation_thickness_series"] = thickness_series;
  table["simulation_window_error"] = window_error;
  table["simulation_patterns"] = patterns;
  table["simulation_pull_back"] = pull_back;
}

}  // namespace aet_mex
