// Commands of volume tomography.

#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice methods[] = {{"resire", AET_TOMOGRAPHY_METHOD_RESIRE},
                              {"sirt", AET_TOMOGRAPHY_METHOD_SIRT},
                              {"sart", AET_TOMOGRAPHY_METHOD_SART},
                              {"art", AET_TOMOGRAPHY_METHOD_ART},
                              {"cgls", AET_TOMOGRAPHY_METHOD_CGLS},
                              {"fbp", AET_TOMOGRAPHY_METHOD_FBP},
                              {"wbp", AET_TOMOGRAPHY_METHOD_WBP},
                              {"genfire", AET_TOMOGRAPHY_METHOD_GENFIRE},
                              {"est", AET_TOMOGRAPHY_METHOD_EST},
                              {"resireFourier", AET_TOMOGRAPHY_METHOD_RESIRE_FOURIER}};
constexpr Choice backgrounds[] = {{"automatic", AET_BACKGROUND_AUTOMATIC}, {"none", AET_BACKGROUND_NONE}};
constexpr Choice windows[] = {{"ramLak", AET_RAMP_WINDOW_RAM_LAK},
                              {"sheppLogan", AET_RAMP_WINDOW_SHEPP_LOGAN},
                              {"cosine", AET_RAMP_WINDOW_COSINE},
                              {"hamming", AET_RAMP_WINDOW_HAMMING},
                              {"hann", AET_RAMP_WINDOW_HANN}};
constexpr Choice subsets[] = {
    {"all", AET_VIEW_SUBSET_ALL}, {"even", AET_VIEW_SUBSET_EVEN}, {"odd", AET_VIEW_SUBSET_ODD}};
constexpr Choice griddings[] = {{"exact", AET_GRIDDING_EXACT}, {"nearest", AET_GRIDDING_NEAREST}};
constexpr Choice schedules[] = {{"extension", AET_RESOLUTION_SCHEDULE_EXTENSION},
                                {"off", AET_RESOLUTION_SCHEDULE_OFF},
                                {"suppression", AET_RESOLUTION_SCHEDULE_SUPPRESSION},
                                {"both", AET_RESOLUTION_SCHEDULE_BOTH}};
constexpr Choice iterates[] = {{"best", AET_ITERATE_BEST}, {"last", AET_ITERATE_LAST}};

std::shared_ptr<aet_volume> volume_of(const Options &given, const char *name) {
  const mxArray *volume = given.find(name);
  return volume ? HandleTable<aet_volume>::instance().find(key(volume)) : nullptr;
}

void read_fourier(const Options &given, aet_tomography_options &options) {
  given.read("Oversampling", options.oversampling);
  given.choose("Gridding", griddings, options.gridding);
  given.read("GriddingCutoff", options.gridding_cutoff);
  given.choose("Resolution", schedules, options.resolution);
  given.read_flag("EndWithAll", options.end_with_all);
  given.read("HeldBack", options.held_back);
  given.read_flag("KeepTotal", options.keep_total);
  given.choose("Iterate", iterates, options.iterate);
}

void read_terms(const Options &given, aet_tomography_options &options) {
  given.read("TotalVariation", options.total_variation);
  given.read("InnerIterations", options.inner_iterations);
  given.read("Tikhonov", options.tikhonov);
  given.read("TikhonovGradient", options.tikhonov_gradient);
  given.read("SoftThreshold", options.soft_threshold);
  given.read("Edge", options.edge);
  given.read("EdgePower", options.edge_power);
  given.read("EdgeSqueeze", options.edge_squeeze);
  given.read("Blur", options.blur);
}

}  // namespace

TomographyOptions::TomographyOptions(const Options &given, int32_t method)
    : values(defaults(aet_tomography_options_init)),
      initial(volume_of(given, "Initial")),
      support(volume_of(given, "Support")) {
  values.method = method;
  values.initial = initial.get();
  values.support = support.get();
  given.choose("Method", methods, values.method);
  if (const mxArray *weights = given.find("ImageWeights")) {
    values.image_weights = doubles(weights, "ImageWeights");
    values.n_image_weights = static_cast<int64_t>(mxGetNumberOfElements(weights));
  }
  given.read("Nz", values.nz);
  given.read("Ny", values.ny);
  given.read("Nx", values.nx);
  given.read("VoxelSize", values.voxel_size);
  given.read("Iterations", values.iterations);
  given.read("Relaxation", values.relaxation);
  given.read_flag("Accelerated", values.accelerated);
  given.read_flag("Positivity", values.positivity);
  given.read("UpperBound", values.upper_bound);
  given.read("SubsetSize", values.subset_size);
  given.choose("Window", windows, values.window);
  given.choose("Background", backgrounds, values.background);
  given.choose("Subset", subsets, values.subset);
  given.read("HeldOut", values.held_out);
  given.read("Seed", values.seed);
  given.read("MemoryLimit", values.memory_limit);
  read_fourier(given, values);
  read_terms(given, values);
}

namespace {

void create_tomography(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const auto dataset = call.handle<aet_dataset>(1);
  const TomographyOptions options(call.options(2));
  aet_recon *recon = nullptr;
  check(aet_recon_create_tomography(context.get(), dataset.get(), &options.values, &recon));
  call.give_handle(recon);
}

void get_volume(Call &call) {
  aet_volume *volume = nullptr;
  check(aet_recon_get_volume(call.handle<aet_recon>(0).get(), &volume));
  call.give_handle(volume);
}

void estimate_memory(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const TomographyOptions options(call.options(1));
  uint64_t bytes = 0;
  check(aet_tomography_estimate_memory(dataset.get(), &options.values, &bytes));
  call.give(0, static_cast<double>(bytes));
}

/// A cancelled reconstruction keeps the iterations done.
void reconstruct(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const auto dataset = call.handle<aet_dataset>(1);
  const TomographyOptions options(call.options(2));
  ProgressBridge progress(call.argument(3));
  aet_volume *volume = nullptr;
  const aet_status status = aet_volume_reconstruct(context.get(), dataset.get(), &options.values, ProgressBridge::call,
                                                   &progress, &volume);
  give_made(call, volume, status, progress);
}

}  // namespace

void add_tomography_commands(CommandTable &table) {
  table["recon_create_tomography"] = create_tomography;
  table["recon_get_volume"] = get_volume;
  table["tomography_estimate_memory"] = estimate_memory;
  table["volume_reconstruct"] = reconstruct;
}

}  // namespace aet_mex
