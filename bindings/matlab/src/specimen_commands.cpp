// Commands that make new lists of atoms from old ones.
#include <optional>

#include "call.hpp"

namespace aet_mex {

namespace {

/// Gives the list that `change(atoms, arguments..., &changed)` makes of the atoms behind argument 0.
template <class Change, class... Arguments>
void give_changed(Call &call, Change change, Arguments... arguments) {
  const auto atoms = call.handle<aet_atoms>(0);
  aet_atoms *changed = nullptr;
  check(change(atoms.get(), arguments..., &changed));
  call.give_handle(changed);
}

/// A vector (x, y, z); an empty array is none.
std::optional<aet_const_view> optional_vector(const mxArray *array, const char *name) {
  return mxIsEmpty(array) ? std::nullopt : std::make_optional(vector_view(array, name));
}

const aet_const_view *pointer(const std::optional<aet_const_view> &view) { return view ? &*view : nullptr; }

int32_t flag(Call &call, int index, const char *name) { return truth(call.argument(index), name) ? 1 : 0; }

void with_column(Call &call) {
  const std::string name = call.text(1, "name");
  const bool triple = name == "positions" || name == "standard_error";
  const int64_t count = aet_atoms_count(call.handle<aet_atoms>(0).get());
  const mxArray *given = call.argument(2);
  const aet_const_view values = triple ? matrix_view(given, "values") : vector_view(given, "values", count);
  give_changed(call, aet_atoms_with_column, name.c_str(), &values);
}

void with_element_values(Call &call) {
  const std::string name = call.text(1, "name");
  const aet_const_view species = vector_view(call.argument(2), "species");
  const aet_const_view values = vector_view(call.argument(3), "values");
  give_changed(call, aet_atoms_with_element_values, name.c_str(), &species, &values);
}

void with_cell(Call &call) {
  const auto cell = optional_vector(call.argument(1), "cell");
  give_changed(call, aet_atoms_with_cell, pointer(cell));
}

void copy_cell(Call &call) {
  const Output out = vector_output(3);
  check(aet_atoms_copy_cell(call.handle<aet_atoms>(0).get(), &out.view));
  call.give(0, out.array);
}

void rotate(Call &call) {
  const aet_const_view rotation = matrix_view(call.argument(1), "rotation");
  give_changed(call, aet_atoms_rotate, &rotation);
}

void shift(Call &call) {
  const aet_const_view by = vector_view(call.argument(1), "shift");
  give_changed(call, aet_atoms_shift, &by);
}

void place_in_cell(Call &call) {
  const auto extent = optional_vector(call.argument(1), "extent");
  const auto vacuum = optional_vector(call.argument(2), "vacuum");
  const int32_t center_atoms = flag(call, 3, "centerAtoms");
  give_changed(call, aet_atoms_place_in_cell, pointer(extent), pointer(vacuum), center_atoms);
}

void wrap(Call &call) { give_changed(call, aet_atoms_wrap, flag(call, 1, "periodicZ")); }

void cut_slab(Call &call) {
  const auto axis = static_cast<int32_t>(integer(call.argument(1), "axis"));
  give_changed(call, aet_atoms_cut_slab, axis, number(call.argument(2), "from"), number(call.argument(3), "to"));
}

void subset(Call &call) {
  const std::vector<int64_t> indices = zero_based<int64_t>(call.argument(1), "indices");
  require_indices(indices, "indices", aet_atoms_count(call.handle<aet_atoms>(0).get()));
  give_changed(call, aet_atoms_subset, indices.data(), static_cast<int64_t>(indices.size()));
}

void repeat(Call &call) {
  give_changed(call, aet_atoms_repeat, integer(call.argument(1), "nx"), integer(call.argument(2), "ny"),
               integer(call.argument(3), "nz"));
}

void merge(Call &call) {
  const auto other = call.handle<aet_atoms>(1);
  give_changed(call, aet_atoms_merge, other.get());
}

/// Configuration argument 2, counted from 1, of the seed argument 1.
void displace(Call &call) {
  const int64_t number = integer(call.argument(2), "number");
  if (number < 1) {
    throw Failure("aet:range", "number: got " + std::to_string(number) + ", wanted a configuration counted from 1");
  }
  give_changed(call, aet_atoms_displace, integer(call.argument(1), "seed"), number - 1);
}

void close_pairs(Call &call) {
  const auto atoms = call.handle<aet_atoms>(0);
  const double distance = number(call.argument(1), "distance");
  const int32_t periodic_z = flag(call, 2, "periodicZ");
  int64_t count = 0;
  check(aet_atoms_close_pairs(atoms.get(), distance, periodic_z, nullptr, nullptr, &count));
  const Output pairs = matrix_output(count, 2);
  const Output distances = vector_output(count);
  if (count > 0) {
    check(aet_atoms_close_pairs(atoms.get(), distance, periodic_z, &pairs.view, &distances.view, &count));
  }
  call.give(0, to_one_based(pairs.array));
  call.give(1, distances.array);
}

}  // namespace

void add_specimen_commands(CommandTable &table) {
  table["atoms_with_column"] = with_column;
  table["atoms_with_element_values"] = with_element_values;
  table["atoms_with_cell"] = with_cell;
  table["atoms_copy_cell"] = copy_cell;
  table["atoms_rotate"] = rotate;
  table["atoms_shift"] = shift;
  table["atoms_place_in_cell"] = place_in_cell;
  table["atoms_wrap"] = wrap;
  table["atoms_cut_slab"] = cut_slab;
  table["atoms_subset"] = subset;
  table["atoms_repeat"] = repeat;
  table["atoms_merge"] = merge;
  table["atoms_displace"] = displace;
  table["atoms_close_pairs"] = close_pairs;
}

}  // namespace aet_mex
