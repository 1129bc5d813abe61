// Commands of aet_orbital.
#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice tables[] = {{"projected", AET_RADIAL_TABLE_PROJECTED}, {"spatial", AET_RADIAL_TABLE_SPATIAL}};

void create_gaussians(Call &call) {
  const aet_const_view weights = vector_view(call.argument(0), "weights");
  const aet_const_view widths = vector_view(call.argument(1), "widths");
  aet_orbital *orbital = nullptr;
  check(aet_orbital_create_gaussians(&weights, &widths, &orbital));
  call.give_handle(orbital);
}

void create_slater(Call &call) {
  double tolerance = 0.0;
  call.options(0).read("Tolerance", tolerance);
  aet_orbital *orbital = nullptr;
  check(aet_orbital_create_slater(tolerance, &orbital));
  call.give_handle(orbital);
}

void create_table(Call &call) {
  const aet_const_view radii = vector_view(call.argument(0), "radii");
  const aet_const_view values = vector_view(call.argument(1), "values");
  const Options given = call.options(2);
  int32_t kind = AET_RADIAL_TABLE_PROJECTED;
  double tolerance = 0.0;
  given.choose("Kind", tables, kind);
  given.read("Tolerance", tolerance);
  aet_orbital *orbital = nullptr;
  check(aet_orbital_create_table(&radii, &values, kind, tolerance, &orbital));
  call.give_handle(orbital);
}

void copy_terms(Call &call) {
  const auto orbital = call.handle<aet_orbital>(0);
  const Output out = matrix_output(aet_orbital_term_count(orbital.get()), 2);
  check(aet_orbital_copy_terms(orbital.get(), &out.view));
  call.give(0, out.array);
}

void evaluate(Call &call) {
  const auto orbital = call.handle<aet_orbital>(0);
  const aet_const_view radii = vector_view(call.argument(1), "radii");
  const Output out = matrix_output(radii.shape[0], 3);
  check(aet_orbital_evaluate(orbital.get(), &radii, number(call.argument(2), "width"), &out.view));
  call.give(0, out.array);
}

}  // namespace

void add_orbital_commands(CommandTable &table) {
  table["orbital_create_gaussians"] = create_gaussians;
  table["orbital_create_slater"] = create_slater;
  table["orbital_create_table"] = create_table;
  table["orbital_free"] = free_handle<aet_orbital>;
  table["orbital_term_count"] = number_of<aet_orbital, int64_t, aet_orbital_term_count>;
  table["orbital_expansion_error"] = number_of<aet_orbital, double, aet_orbital_expansion_error>;
  table["orbital_copy_terms"] = copy_terms;
  table["orbital_evaluate"] = evaluate;
}

}  // namespace aet_mex
