// Commands of aet_atoms.
#include <optional>

#include "call.hpp"

namespace aet_mex {

namespace {

void create(Call &call) {
  const aet_const_view positions = matrix_view(call.argument(0), "positions");
  const Options given = call.options(1);
  const auto list = [&](const char *name) -> std::optional<aet_const_view> {
    const mxArray *values = given.find(name);
    if (!values) {
      return std::nullopt;
    }
    return vector_view(values, name, positions.shape[0]);
  };
  const auto species = list("Species");
  const auto height = list("Height");
  const auto width = list("Width");
  const auto pointer = [](const std::optional<aet_const_view> &view) { return view ? &*view : nullptr; };
  aet_atoms *atoms = nullptr;
  check(aet_atoms_create(&positions, pointer(species), pointer(height), pointer(width), &atoms));
  call.give_handle(atoms);
}

// The name of the file tells the format where none is given.
void read(Call &call) {
  const std::string path = call.text(0, "path");
  const std::string format = call.text(1, "format");
  aet_atoms *atoms = nullptr;
  check(format.empty() ? aet_atoms_read(path.c_str(), &atoms)
                       : aet_atoms_read_as(path.c_str(), format.c_str(), &atoms));
  call.give_handle(atoms);
}

void write(Call &call) {
  const auto atoms = call.handle<aet_atoms>(0);
  const std::string path = call.text(1, "path");
  const std::string format = call.text(2, "format");
  check(format.empty() ? aet_atoms_write(atoms.get(), path.c_str())
                       : aet_atoms_write_as(atoms.get(), path.c_str(), format.c_str()));
}

void copy_column(Call &call) {
  const auto atoms = call.handle<aet_atoms>(0);
  const std::string name = call.text(1, "name");
  const int64_t n = aet_atoms_count(atoms.get());
  const Output out = name == "positions" || name == "standard_error" ? matrix_output(n, 3) : vector_output(n);
  check(aet_atoms_copy_column(atoms.get(), name.c_str(), &out.view));
  call.give(0, out.array);
}

mxArray *report(const aet_comparison &c) {
  const Output shift = matrix_output(1, 3);
  for (int axis = 0; axis < 3; ++axis) {
    mxGetDoubles(shift.array)[axis] = c.shift[axis];
  }
  const char *names[] = {"trueCount", "matched", "missing",        "extra", "rmsdPm",      "rmsdXPm",
                         "rmsdYPm",   "rmsdZPm", "speciesCorrect", "shift", "rotationDeg", "rmsdRotatedPm", "tracingError"};
  mxArray *values[] = {make_number(static_cast<double>(c.true_count)),
                       make_number(static_cast<double>(c.matched)),
                       make_number(static_cast<double>(c.missing)),
                       make_number(static_cast<double>(c.extra)),
                       make_number(c.rmsd_pm),
                       make_number(c.rmsd_x_pm),
                       make_number(c.rmsd_y_pm),
                       make_number(c.rmsd_z_pm),
                       make_number(c.species_correct),
                       shift.array,
                       make_number(c.rotation_deg),
                       make_number(c.rmsd_rotated_pm),
                       make_number(c.tracing_error)};
  constexpr int count = sizeof values / sizeof values[0];
  mxArray *structure = mxCreateStructMatrix(1, 1, count, names);
  for (int i = 0; i < count; ++i) {
    mxSetFieldByNumber(structure, 0, i, values[i]);
  }
  return structure;
}

void compare(Call &call) {
  const auto found = call.handle<aet_atoms>(0);
  const auto truth = call.handle<aet_atoms>(1);
  const Options given = call.options(2);
  auto options = defaults(aet_compare_options_init);
  given.read("Cutoff", options.cutoff);
  given.read_flag("RemoveRotation", options.remove_rotation);
  aet_comparison comparison{};
  comparison.struct_size = sizeof comparison;
  const Output errors = matrix_output(aet_atoms_count(found.get()), 3);
  check(aet_atoms_compare(found.get(), truth.get(), &options, &comparison, &errors.view));
  call.give(0, report(comparison));
  call.give(1, errors.array);
}

void accuracy(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const auto found = call.handle<aet_atoms>(1);
  const auto truth = call.handle<aet_atoms>(2);
  const Options given = call.options(3);
  auto options = defaults(aet_accuracy_options_init);
  given.read("Cutoff", options.cutoff);
  given.read("DepthAxis", options.depth_axis);
  given.read("ProbeRadius", options.probe_radius);
  ProgressBridge progress(call.argument(4));
  aet_table *table = nullptr;
  const aet_status status = aet_atoms_accuracy(context.get(), found.get(), truth.get(), &options,
                                               ProgressBridge::call, &progress, &table);
  give_made(call, table, status, progress);
}

}  // namespace

void add_atoms_commands(CommandTable &table) {
  table["atoms_create"] = create;
  table["atoms_read"] = read;
  table["atoms_write"] = write;
  table["atoms_free"] = free_handle<aet_atoms>;
  table["atoms_count"] = number_of<aet_atoms, int64_t, aet_atoms_count>;
  table["atoms_copy_column"] = copy_column;
  table["atoms_compare"] = compare;
  table["atoms_accuracy"] = accuracy;
}

}  // namespace aet_mex
