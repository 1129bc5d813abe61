// Commands of aet_dataset.
#include <optional>
#include <string>
#include <vector>

#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice angle_orders[] = {
    {"zyx", AET_ANGLE_ORDER_ZYX}, {"zyz", AET_ANGLE_ORDER_ZYZ}, {"xyz", AET_ANGLE_ORDER_XYZ}};
constexpr Choice tilt_axes[] = {{"none", AET_TILT_AXIS_NONE}, {"x", AET_TILT_AXIS_X}, {"y", AET_TILT_AXIS_Y}};
constexpr Choice length_units[] = {{"A", AET_LENGTH_UNIT_ANGSTROM}, {"px", AET_LENGTH_UNIT_PIXEL}};

/// aet_frames of `count` images and the views it points to.
class Frames {
 public:
  Frames(const Options &given, int64_t count) : frames_(defaults(aet_frames_init)), count_(count) {
    add_orientation(given);
    add_indices(given, "Tilt", tilt_index_, tilt_, frames_.tilt);
    add_indices(given, "Section", section_index_, section_, frames_.section);
    add_list(given, "Defocus", defocus_, frames_.defocus);
    add_list(given, "NoiseVariance", noise_variance_, frames_.noise_variance);
    add_list(given, "CountsPerUnit", counts_per_unit_, frames_.counts_per_unit);
    if (const mxArray *drift = given.find("Drift")) {
      drift_ = matrix_view(drift, "Drift");
      frames_.drift = &*drift_;
    }
    if (const mxArray *mask = given.find("Mask")) {
      mask_ = stack_view(mask, "Mask", count_);
      frames_.mask = &*mask_;
    }
  }
  Frames(const Frames &) = delete;
  Frames &operator=(const Frames &) = delete;

  const aet_frames *get() const { return &frames_; }

 private:
  using View = std::optional<aet_const_view>;

  void add_orientation(const Options &given) {
    given.choose("AngleOrder", angle_orders, frames_.angle_order);
    given.choose("TiltAxis", tilt_axes, frames_.tilt_axis);
    if (const mxArray *rotations = given.find("Rotations")) {
      // One 3 x 3 matrix serves all images.
      rotations_ =
          stack_count(rotations) == 1 ? matrix_view(rotations, "Rotations") : stack_view(rotations, "Rotations");
      frames_.rotations = &*rotations_;
    }
    if (const mxArray *angles = given.find("AnglesDeg")) {
      // A row of three angles for one image is phi, theta, psi; any other vector is about the tilt axis.
      const bool list = (mxGetM(angles) == 1 || mxGetN(angles) == 1) && !(mxGetN(angles) == 3 && count_ == 1);
      angles_ = list ? vector_view(angles, "AnglesDeg") : matrix_view(angles, "AnglesDeg");
      frames_.angles_deg = &*angles_;
    }
  }

  void add_list(const Options &given, const char *name, View &view, const aet_const_view *&member) const {
    if (const mxArray *values = given.find(name)) {
      view = vector_view(values, name, count_);
      member = &*view;
    }
  }

  /// The only copies: indices count from 1 here and from 0 in the library.
  static void add_indices(const Options &given, const char *name, std::vector<int32_t> &indices, View &view,
                          const aet_const_view *&member) {
    if (const mxArray *values = given.find(name)) {
      indices = zero_based<int32_t>(values, name);
      const auto size = static_cast<int64_t>(indices.size());
      view = aet_const_view_c(indices.data(), AET_DTYPE_I32, 1, &size);
      member = &*view;
    }
  }

  aet_frames frames_;
  int64_t count_;
  std::vector<int32_t> tilt_index_, section_index_;
  View rotations_, angles_, tilt_, section_, defocus_, drift_, mask_, noise_variance_, counts_per_unit_;
};

aet_dataset_options series_options(const Options &given) {
  auto options = defaults(aet_dataset_options_init);
  given.read("Rows", options.rows);
  given.read("Columns", options.columns);
  given.read("PixelSize", options.pixel_size);
  given.choose("LengthUnit", length_units, options.length_unit);
  given.read("EnergyEv", options.energy_ev);
  given.read("SemiAngleMrad", options.semiangle_mrad);
  return options;
}

void create(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const mxArray *images = call.argument(1);
  const Options given = call.options(2);
  const aet_dataset_options options = series_options(given);
  aet_dataset *dataset = nullptr;
  if (mxIsEmpty(images)) {
    check(aet_dataset_create(context.get(), &options, nullptr, nullptr, &dataset));
  } else {
    const aet_const_view view = stack_view(images, "images");
    const Frames frames(given, view.shape[0]);
    check(aet_dataset_create(context.get(), &options, &view, frames.get(), &dataset));
  }
  call.give_handle(dataset);
}

/// Images of a file: as many as the orientations say.
void create_from_file(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const Options given = call.options(2);
  const aet_dataset_options options = series_options(given);
  const mxArray *rotations = given.find("Rotations");
  const mxArray *angles = given.find("AnglesDeg");
  int64_t count = 1;
  if (rotations) {
    count = stack_count(rotations);
  } else if (angles) {
    const bool list = mxGetM(angles) == 1 && given.find("TiltAxis");
    count = static_cast<int64_t>(list ? mxGetN(angles) : mxGetM(angles));
  }
  const Frames frames(given, count);
  ProgressBridge progress(call.argument(3));
  aet_dataset *dataset = nullptr;
  const aet_status status =
      aet_dataset_create_from_file(context.get(), &options, call.text(1, "path").c_str(), frames.get(),
                                   ProgressBridge::call, &progress, &dataset);
  give_made(call, dataset, status, progress);
}

/// Empty text stands for "not given".
const char *optional_text(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }

void read(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const std::string folder = call.text(1, "folder");
  const std::string variant = call.text(2, "variant");
  ProgressBridge progress(call.argument(3));
  aet_dataset *dataset = nullptr;
  const aet_status status = aet_dataset_read(context.get(), folder.c_str(), optional_text(variant),
                                             ProgressBridge::call, &progress, &dataset);
  give_made(call, dataset, status, progress);
}

void write(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  ProgressBridge progress(call.argument(2));
  const aet_status status =
      aet_dataset_write(dataset.get(), call.text(1, "folder").c_str(), ProgressBridge::call, &progress);
  progress.rethrow();
  call.give(0, check_outcome(status));
}

void read_atoms(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const std::string variant = call.text(3, "variant");
  aet_atoms *atoms = nullptr;
  check(aet_dataset_read_atoms(context.get(), call.text(1, "folder").c_str(), call.text(2, "which").c_str(),
                               optional_text(variant), &atoms));
  call.give_handle(atoms);
}

void append_tilt(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const aet_const_view images = stack_view(call.argument(1), "images");
  const Frames frames(call.options(2), images.shape[0]);
  int64_t tilt = 0;
  check(aet_dataset_append_tilt(dataset.get(), &images, frames.get(), &tilt));
  call.give(0, static_cast<double>(tilt + 1));
}

int64_t tilt_index(const aet_dataset *dataset, const mxArray *tilt) {
  const int64_t index = integer(tilt, "tilt") - 1;
  require_indices({index}, "tilt", aet_dataset_tilt_count(dataset));
  return index;
}

void replace_tilt(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const aet_const_view images = stack_view(call.argument(2), "images");
  const Frames frames(call.options(3), images.shape[0]);
  const int64_t tilt = tilt_index(dataset.get(), call.argument(1));
  check(aet_dataset_replace_tilt(dataset.get(), tilt, &images, frames.get()));
}

void exclude_tilt(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const int64_t tilt = tilt_index(dataset.get(), call.argument(1));
  check(aet_dataset_exclude_tilt(dataset.get(), tilt, truth(call.argument(2), "excluded")));
}

void length_unit(Call &call) {
  call.give(0, word_of(length_units, aet_dataset_length_unit(call.handle<aet_dataset>(0).get())));
}

/// Array for a column in the host's own order, by its logical shape.
Output column_output(const aet_dataset *dataset, const std::string &name, mxClassID image_class) {
  const int64_t n = aet_dataset_image_count(dataset);
  const int64_t rows = aet_dataset_rows(dataset);
  const int64_t columns = aet_dataset_columns(dataset);
  if (name == "images") {
    return stack_output(n, rows, columns, image_class);
  }
  if (name == "mask") {
    return stack_output(n, rows, columns, mxUINT8_CLASS);
  }
  if (name == "rotations") {
    return stack_output(n, 3, 3);
  }
  if (name == "angles_deg" || name == "drift") {
    return matrix_output(n, name == "drift" ? 2 : 3);
  }
  return vector_output(n);
}

void copy_column(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const std::string name = call.text(1, "name");
  const bool single = call.text(2, "class") == "single";
  const Output out = column_output(dataset.get(), name, single ? mxSINGLE_CLASS : mxDOUBLE_CLASS);
  check(aet_dataset_copy_column(dataset.get(), name.c_str(), &out.view));
  if (name == "tilt" || name == "section") {
    call.give(0, to_one_based(out.array));
  } else if (name == "mask" || name == "excluded") {
    call.give(0, to_logical(out.array));
  } else {
    call.give(0, out.array);
  }
}

void depth_axis(Call &call) {
  const Output out = vector_output(3);
  check(aet_dataset_depth_axis(call.handle<aet_dataset>(0).get(), &out.view));
  call.give(0, out.array);
}

void set_metadata(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  check(aet_dataset_set_metadata(dataset.get(), call.text(1, "key").c_str(), call.text(2, "value").c_str(),
                                 call.text(3, "unit").c_str()));
}

/// All entries as a struct array with fields key, value, unit.
void metadata(Call &call) {
  const auto owner = call.handle<aet_dataset>(0);
  const aet_dataset *dataset = owner.get();
  const int64_t count = aet_dataset_metadata_count(dataset);
  const char *names[] = {"key", "value", "unit"};
  mxArray *entries = mxCreateStructMatrix(static_cast<mwSize>(count), 1, 3, names);
  for (int64_t i = 0; i < count; ++i) {
    const std::string key =
        read_text([&](char *b, size_t c, size_t *n) { return aet_dataset_metadata_key(dataset, i, b, c, n); });
    const char *k = key.c_str();
    const std::string value =
        read_text([&](char *b, size_t c, size_t *n) { return aet_dataset_metadata_value(dataset, k, b, c, n); });
    const std::string unit =
        read_text([&](char *b, size_t c, size_t *n) { return aet_dataset_metadata_unit(dataset, k, b, c, n); });
    const auto row = static_cast<mwIndex>(i);
    mxSetFieldByNumber(entries, row, 0, make_text(key));
    mxSetFieldByNumber(entries, row, 1, make_text(value));
    mxSetFieldByNumber(entries, row, 2, make_text(unit));
  }
  call.give(0, entries);
}

}  // namespace

void add_dataset_commands(CommandTable &table) {
  table["dataset_create"] = create;
  table["dataset_create_from_file"] = create_from_file;
  table["dataset_read"] = read;
  table["dataset_write"] = write;
  table["dataset_read_atoms"] = read_atoms;
  table["dataset_free"] = free_handle<aet_dataset>;
  table["dataset_append_tilt"] = append_tilt;
  table["dataset_replace_tilt"] = replace_tilt;
  table["dataset_exclude_tilt"] = exclude_tilt;
  table["dataset_version"] = number_of<aet_dataset, uint64_t, aet_dataset_version>;
  table["dataset_image_count"] = number_of<aet_dataset, int64_t, aet_dataset_image_count>;
  table["dataset_tilt_count"] = number_of<aet_dataset, int64_t, aet_dataset_tilt_count>;
  table["dataset_section_count"] = number_of<aet_dataset, int64_t, aet_dataset_section_count>;
  table["dataset_rows"] = number_of<aet_dataset, int64_t, aet_dataset_rows>;
  table["dataset_columns"] = number_of<aet_dataset, int64_t, aet_dataset_columns>;
  table["dataset_pixel_size"] = number_of<aet_dataset, double, aet_dataset_pixel_size>;
  table["dataset_energy_ev"] = number_of<aet_dataset, double, aet_dataset_energy_ev>;
  table["dataset_semiangle_mrad"] = number_of<aet_dataset, double, aet_dataset_semiangle_mrad>;
  table["dataset_length_unit"] = length_unit;
  table["dataset_copy_column"] = copy_column;
  table["dataset_depth_axis"] = depth_axis;
  table["dataset_set_metadata"] = set_metadata;
  table["dataset_metadata"] = metadata;
}

}  // namespace aet_mex
