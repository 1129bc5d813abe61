// Commands of aet_detector, and of the fields that detectors measure.
#include <algorithm>

#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice kinds[] = {{"annular", AET_DETECTOR_KIND_ANNULAR},
                            {"flexibleAnnular", AET_DETECTOR_KIND_FLEXIBLE_ANNULAR},
                            {"segmented", AET_DETECTOR_KIND_SEGMENTED},
                            {"pixelated", AET_DETECTOR_KIND_PIXELATED},
                            {"centerOfMass", AET_DETECTOR_KIND_CENTER_OF_MASS}};
constexpr Choice orders[] = {{"centered", AET_PATTERN_ORDER_CENTERED}, {"fft", AET_PATTERN_ORDER_FFT}};

/// What comes first in the host, signals or pixels, stands last for the library: the first `axes` go to the end.
template <class View>
void move_to_end(View &view, int32_t axes) {
  std::rotate(view.shape, view.shape + axes, view.shape + view.ndim);
  std::rotate(view.strides, view.strides + axes, view.strides + view.ndim);
}

/// An array of at least `least` axes as it lies; trailing axes of one element, which the host leaves out, count.
aet_const_view array_view(const mxArray *array, const char *name, mwSize least) {
  const mwSize count = std::max(least, mxGetNumberOfDimensions(array));
  if (count > 8) {
    throw Failure("aet:shape", std::string(name) + ": got an array of " + std::to_string(count) +
                                   " dimensions, wanted at most 8");
  }
  const aet_const_view elements = vector_view(array, name);
  int64_t shape[8];
  for (mwSize axis = 0; axis < count; ++axis) {
    shape[axis] = axis < mxGetNumberOfDimensions(array) ? static_cast<int64_t>(mxGetDimensions(array)[axis]) : 1;
  }
  return aet_const_view_f(elements.data, elements.dtype, static_cast<int32_t>(count), shape);
}

void create(Call &call) {
  const Options given = call.options(0);
  auto options = defaults(aet_detector_options_init);
  given.choose("Kind", kinds, options.kind);
  given.read("InnerMrad", options.inner_mrad);
  given.read("OuterMrad", options.outer_mrad);
  given.read("StepMrad", options.step_mrad);
  given.read("RotationDeg", options.rotation_deg);
  given.read("RadialBins", options.radial_bins);
  given.read("AzimuthalBins", options.azimuthal_bins);
  given.read("Rows", options.rows);
  given.read("Columns", options.columns);
  given.read("Binning", options.binning);
  given.read_flag("Unnormalized", options.unnormalized);
  given.read("SensitivityRowStepMrad", options.sensitivity_row_step_mrad);
  given.read("SensitivityColumnStepMrad", options.sensitivity_column_step_mrad);
  const mxArray *map = given.find("Sensitivity");
  const aet_const_view sensitivity = map ? matrix_view(map, "Sensitivity") : aet_const_view{};
  aet_detector *detector = nullptr;
  check(aet_detector_create(&options, map ? &sensitivity : nullptr, &detector));
  call.give_handle(detector);
}

void kind(Call &call) {
  call.give(0, word_of(kinds, aet_detector_get_kind(call.handle<aet_detector>(0).get())));
}

/// rows x columns x scan... patterns to signal... x scan...
void measure(Call &call) {
  const auto detector = call.handle<aet_detector>(0);
  const auto context = call.handle<aet_context>(1);
  aet_const_view patterns = array_view(call.argument(2), "patterns", 2);
  const Options given = call.options(3);
  auto options = defaults(aet_pattern_options_init);
  given.read("RowStepMrad", options.row_step_mrad);
  given.read("ColumnStepMrad", options.column_step_mrad);
  given.read("EnergyEv", options.energy_ev);
  given.choose("Order", orders, options.order);

  int32_t signal_axes = 0;
  int64_t shape[10];  // of the signal, then of the scan
  check(aet_detector_shape(detector.get(), &options, patterns.shape[0], patterns.shape[1], &signal_axes, shape));
  std::copy(patterns.shape + 2, patterns.shape + patterns.ndim, shape + signal_axes);
  Output out = block_output(signal_axes + patterns.ndim - 2, shape);
  move_to_end(out.view, signal_axes);
  move_to_end(patterns, 2);
  ProgressBridge progress(call.argument(4));
  const aet_status status = aet_detector_measure(detector.get(), context.get(), &patterns, &options,
                                                 ProgressBridge::call, &progress, &out.view);
  progress.rethrow();
  check(status);
  call.give(0, out.array);
}

/// A 2 x rows x columns field to a rows x columns image.
void integrate(Call &call) {
  aet_const_view field = array_view(call.argument(0), "field", 3);
  const Output out = matrix_output(field.shape[1], field.shape[2]);
  move_to_end(field, 1);
  check(aet_integrate_center_of_mass(&field, number(call.argument(1), "rowStep"),
                                     number(call.argument(2), "columnStep"), &out.view));
  call.give(0, out.array);
}

/// energy, inner, outer, species, table (0: Lobato, 1: Kirkland) to [cross-section, collected].
void adf_transfer(Call &call) {
  const Output out = matrix_output(1, 2);
  double *seen = static_cast<double *>(out.view.data);
  check(aet_adf_transfer(number(call.argument(0), "energyEv"), number(call.argument(1), "innerMrad"),
                         number(call.argument(2), "outerMrad"),
                         static_cast<std::int32_t>(number(call.argument(4), "parametrization")),
                         static_cast<std::int32_t>(number(call.argument(3), "species")), &seen[0], &seen[1]));
  call.give(0, out.array);
}

}  // namespace

void add_detector_commands(CommandTable &table) {
  table["detector_create"] = create;
  table["detector_free"] = free_handle<aet_detector>;
  table["detector_get_kind"] = kind;
  table["detector_measure"] = measure;
  table["integrate_center_of_mass"] = integrate;
  table["adf_transfer"] = adf_transfer;
}

}  // namespace aet_mex
