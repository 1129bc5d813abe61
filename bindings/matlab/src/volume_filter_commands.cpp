// Commands that filter, mask and compare volumes.
#include <optional>

#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice smoothings[] = {
    {"none", AET_SMOOTHING_NONE}, {"gaussian", AET_SMOOTHING_GAUSSIAN}, {"box", AET_SMOOTHING_BOX}};
constexpr Choice paddings[] = {
    {"zeros", AET_PADDING_ZEROS}, {"mirror", AET_PADDING_MIRROR}, {"periodic", AET_PADDING_PERIODIC}};
constexpr Choice connectivities[] = {{"corners", AET_CONNECTIVITY_CORNERS}, {"faces", AET_CONNECTIVITY_FACES}};
constexpr Choice supports[] = {{"sphere", AET_SUPPORT_SHAPE_SPHERE},
                               {"cylinderX", AET_SUPPORT_SHAPE_CYLINDER_X},
                               {"cylinderY", AET_SUPPORT_SHAPE_CYLINDER_Y},
                               {"cylinderZ", AET_SUPPORT_SHAPE_CYLINDER_Z}};

/// Gives the volume that `make(progress, user, &volume)` makes; argument `index` is the progress function.
template <class Make>
void give_volume(Call &call, int index, Make make) {
  ProgressBridge progress(call.argument(index));
  aet_volume *volume = nullptr;
  const aet_status status = make(ProgressBridge::call, &progress, &volume);
  give_made(call, volume, status, progress);
}

/// aet_volume_filter(volume, dataset or [], options, progress)
void filter(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const auto dataset = call.optional_handle<aet_dataset>(1);
  const Options given = call.options(2);
  auto options = defaults(aet_filter_options_init);
  given.read("LowPass", options.low_pass);
  given.read("LowPassWidth", options.low_pass_width);
  given.read("HighPass", options.high_pass);
  given.read("HighPassWidth", options.high_pass_width);
  given.read("Gaussian", options.gaussian);
  given.read("SignalToNoise", options.signal_to_noise);
  given.read("ObjectSize", options.object_size);
  given.read("Floor", options.floor);
  given.read("PaddingVoxels", options.padding_voxels);
  given.choose("Padding", paddings, options.padding);
  given.read_flag("CurveOfHalf", options.curve_of_half);
  std::optional<aet_const_view> curve;
  if (const mxArray *array = given.find("Curve")) {
    curve = matrix_view(array, "Curve");
  }
  give_volume(call, 3, [&](aet_progress_fn progress, void *user, aet_volume **made) {
    return aet_volume_filter(volume.get(), &options, dataset.get(), curve ? &*curve : nullptr, progress, user, made);
  });
}

void smooth(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  int32_t smoothing = AET_SMOOTHING_GAUSSIAN;
  double width = 1;
  const Options given = call.options(1);
  given.choose("Smoothing", smoothings, smoothing);
  given.read("Width", width);
  give_volume(call, 2, [&](aet_progress_fn progress, void *user, aet_volume **made) {
    return aet_volume_smooth(volume.get(), smoothing, width, progress, user, made);
  });
}

void mask(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const Options given = call.options(1);
  auto options = defaults(aet_mask_options_init);
  given.choose("Smoothing", smoothings, options.smoothing);
  given.read("SmoothingWidth", options.smoothing_width);
  if (given.find("Threshold")) {
    options.thresholding = AET_THRESHOLD_VALUE;
    given.read("Threshold", options.threshold);
  }
  given.read("Factor", options.factor);
  given.read("Dilation", options.dilation);
  given.read("Closing", options.closing);
  given.read("MinimumIsland", options.minimum_island);
  given.read_flag("LargestOnly", options.largest_only);
  given.choose("Connectivity", connectivities, options.connectivity);
  given.read_flag("FillHoles", options.fill_holes);
  given.read("Erosion", options.erosion);
  given.read("SoftEdge", options.soft_edge);
  give_volume(call, 2, [&](aet_progress_fn progress, void *user, aet_volume **made) {
    return aet_volume_mask(volume.get(), &options, progress, user, made);
  });
}

void otsu_threshold(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  ProgressBridge progress(call.argument(1));
  double threshold = 0;
  const aet_status status = aet_volume_otsu_threshold(volume.get(), ProgressBridge::call, &progress, &threshold);
  progress.rethrow();
  check(status);
  call.give(0, threshold);
}

void multiply(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const auto mask = call.handle<aet_volume>(1);
  give_volume(call, 2, [&](aet_progress_fn progress, void *user, aet_volume **made) {
    return aet_volume_multiply(volume.get(), mask.get(), progress, user, made);
  });
}

/// The size is rows, columns, planes: y, x, z.
void create_support(Call &call) {
  const auto context = call.handle<aet_context>(0);
  auto options = defaults(aet_support_options_init);
  int64_t size[3];
  few_numbers(call.argument(1), "size", size, 3);
  options.ny = size[0];
  options.nx = size[1];
  options.nz = size[2];
  options.voxel_size = number(call.argument(2), "voxelSize");
  options.radius = number(call.argument(3), "radius");
  const Options given = call.options(4);
  given.read("Centre", options.centre);
  given.choose("Shape", supports, options.shape);
  given.read("HalfHeight", options.half_height);
  given.read("SoftEdge", options.soft_edge);
  give_volume(call, 5, [&](aet_progress_fn progress, void *user, aet_volume **made) {
    return aet_volume_create_support(context.get(), &options, progress, user, made);
  });
}

void mask_images(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const auto mask = call.handle<aet_volume>(1);
  const Options given = call.options(2);
  auto options = defaults(aet_image_mask_options_init);
  given.read("MinimumPath", options.minimum_path);
  given.read_flag("LeaveOut", options.leave_out);
  ProgressBridge progress(call.argument(3));
  const Output kept = vector_output(aet_dataset_image_count(dataset.get()));
  const aet_status status =
      aet_dataset_mask_images(dataset.get(), mask.get(), &options, ProgressBridge::call, &progress, &kept.view);
  progress.rethrow();
  check(status);
  call.give(0, kept.array);
}

/// Atoms, and a table of sites.
void trace_lattice(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const auto crystal = call.handle<aet_atoms>(1);
  const auto mask = call.optional_handle<aet_volume>(2);
  const Options given = call.options(3);
  auto options = defaults(aet_lattice_options_init);
  given.read("Vectors", options.vectors);
  given.read("Rotation", options.rotation);
  given.read("RotationWithinDeg", options.rotation_within_deg);
  given.read("RegionCentre", options.region_centre);
  given.read("RegionEdge", options.region_edge);
  given.read("Smoothing", options.smoothing);
  given.read("Background", options.background);
  given.read_flag("KeepBackground", options.keep_background);
  given.read("Reach", options.reach);
  given.read("Displaced", options.displaced);
  given.read("Threshold", options.threshold);
  given.read("Species", options.species);
  ProgressBridge progress(call.argument(4));
  aet_atoms *atoms = nullptr;
  aet_table *sites = nullptr;
  const aet_status status = aet_volume_trace_lattice(volume.get(), crystal.get(), mask.get(), &options,
                                                     ProgressBridge::call, &progress, &atoms, &sites);
  std::unique_ptr<aet_atoms, void (*)(aet_atoms *)> made(atoms, Kind<aet_atoms>::release);
  std::unique_ptr<aet_table, void (*)(aet_table *)> told(sites, Kind<aet_table>::release);
  progress.rethrow();
  check(status);
  call.give_handle(0, made.release());
  call.give_handle(1, told.release());
}

/// The curve, and a struct of resolutions.
void shell_correlation(Call &call) {
  const auto volume = call.handle<aet_volume>(0);
  const auto other = call.handle<aet_volume>(1);
  const auto mask = call.optional_handle<aet_volume>(2);
  const Options given = call.options(3);
  auto options = defaults(aet_correlation_options_init);
  given.read("Direction", options.direction);
  given.read("HalfAngleDeg", options.half_angle_deg);
  given.read("Filling", options.filling);
  given.read("Symmetry", options.symmetry);
  aet_resolution resolution{};
  resolution.struct_size = sizeof resolution;
  ProgressBridge progress(call.argument(4));
  const Output curve = matrix_output(aet_volume_shell_count(volume.get()), 4);
  const aet_status status = aet_volume_shell_correlation(volume.get(), other.get(), mask.get(), &options,
                                                         ProgressBridge::call, &progress, &curve.view, &resolution);
  progress.rethrow();
  check(status);
  const char *names[] = {"oneSeventh", "halfBit", "half", "nyquist"};
  const double values[] = {resolution.one_seventh, resolution.half_bit, resolution.half, resolution.nyquist};
  mxArray *structure = mxCreateStructMatrix(1, 1, 4, names);
  for (int i = 0; i < 4; ++i) {
    mxSetFieldByNumber(structure, 0, i, make_number(values[i]));
  }
  call.give(0, structure);
  call.give(1, curve.array);
}

/// Per image 0 or 1, or -1 where it is excluded.
void half_sets(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  std::vector<int32_t> half(static_cast<size_t>(aet_dataset_image_count(dataset.get())));
  check(aet_dataset_half_sets(dataset.get(), half.data(), static_cast<int64_t>(half.size())));
  const Output out = vector_output(static_cast<int64_t>(half.size()));
  for (size_t i = 0; i < half.size(); ++i) {
    mxGetDoubles(out.array)[i] = half[i];
  }
  call.give(0, out.array);
}

}  // namespace

void add_volume_filter_commands(CommandTable &table) {
  table["volume_filter"] = filter;
  table["volume_smooth"] = smooth;
  table["volume_mask"] = mask;
  table["volume_otsu_threshold"] = otsu_threshold;
  table["volume_multiply"] = multiply;
  table["volume_create_support"] = create_support;
  table["volume_shell_correlation"] = shell_correlation;
  table["volume_trace_lattice"] = trace_lattice;
  table["dataset_mask_images"] = mask_images;
  table["dataset_half_sets"] = half_sets;
}

}  // namespace aet_mex
