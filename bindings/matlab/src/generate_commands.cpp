// Generated atoms.

#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice structures[] = {{"amorphous", AET_STRUCTURE_AMORPHOUS},
                                 {"film", AET_STRUCTURE_FILM},
                                 {"simpleCubic", AET_STRUCTURE_SIMPLE_CUBIC},
                                 {"faceCentredCubic", AET_STRUCTURE_FACE_CENTRED_CUBIC},
                                 {"bodyCentredCubic", AET_STRUCTURE_BODY_CENTRED_CUBIC},
                                 {"hexagonalClosePacked", AET_STRUCTURE_HEXAGONAL_CLOSE_PACKED},
                                 {"diamond", AET_STRUCTURE_DIAMOND},
                                 {"rockSalt", AET_STRUCTURE_ROCK_SALT},
                                 {"caesiumChloride", AET_STRUCTURE_CAESIUM_CHLORIDE},
                                 {"zincBlende", AET_STRUCTURE_ZINC_BLENDE},
                                 {"l10", AET_STRUCTURE_L10},
                                 {"l12", AET_STRUCTURE_L12},
                                 {"spinel", AET_STRUCTURE_SPINEL},
                                 {"perovskite", AET_STRUCTURE_PEROVSKITE},
                                 {"decahedron", AET_STRUCTURE_DECAHEDRON},
                                 {"icosahedron", AET_STRUCTURE_ICOSAHEDRON}};
constexpr Choice shapes[] = {{"ball", AET_PARTICLE_SHAPE_BALL},
                             {"box", AET_PARTICLE_SHAPE_BOX},
                             {"octahedron", AET_PARTICLE_SHAPE_OCTAHEDRON},
                             {"cuboctahedron", AET_PARTICLE_SHAPE_CUBOCTAHEDRON},
                             {"truncatedOctahedron", AET_PARTICLE_SHAPE_TRUNCATED_OCTAHEDRON},
                             {"rhombicDodecahedron", AET_PARTICLE_SHAPE_RHOMBIC_DODECAHEDRON},
                             {"irregular", AET_PARTICLE_SHAPE_IRREGULAR}};
constexpr Choice supports[] = {
    {"none", AET_SUPPORT_NONE}, {"exit", AET_SUPPORT_EXIT}, {"entrance", AET_SUPPORT_ENTRANCE}};
constexpr Choice orders[] = {
    {"zyx", AET_ANGLE_ORDER_ZYX}, {"zyz", AET_ANGLE_ORDER_ZYZ}, {"xyz", AET_ANGLE_ORDER_XYZ}};

aet_structure_options structure_options(const Options &given) {
  auto options = defaults(aet_structure_options_init);
  if (const mxArray *preset = given.find("Preset")) {
    check(aet_structure_options_preset(&options, sizeof options, text(preset, "Preset").c_str()));
  }
  given.choose("Structure", structures, options.structure);
  given.choose("Shape", shapes, options.shape);
  given.read("Extent", options.extent);
  given.read("Width", options.width);
  given.read("Count", options.count);
  given.read("SpeciesCounts", options.species_counts);
  given.read("Species", options.species);
  given.read_flag("Stoichiometric", options.stoichiometric);
  given.read("Density", options.density);
  given.read("MinimumDistance", options.minimum_distance);
  given.read("MaximumDistance", options.maximum_distance);
  given.read("LatticeA", options.lattice_a);
  given.read("LatticeC", options.lattice_c);
  given.read("AnionParameter", options.anion_parameter);
  given.read("LatticeOrigin", options.lattice_origin);
  given.read("Roughness", options.roughness);
  given.read("Shells", options.shells);
  given.choose("AngleOrder", orders, options.angle_order);
  given.read("AnglesDeg", options.angles_deg);
  given.read("Center", options.center);
  given.read("Displacement", options.displacement);
  given.read("Vacancies", options.vacancies);
  given.read("Substitution", options.substitution);
  given.read("Substitute", options.substitute);
  given.read("CoreSpecies", options.core_species);
  given.read("CoreShrink", options.core_shrink);
  given.read("SupportExtent", options.support_extent);
  given.read("SupportThickness", options.support_thickness);
  given.choose("Support", supports, options.support);
  int64_t seed = static_cast<int64_t>(options.seed);
  given.read("Seed", seed);
  options.seed = static_cast<uint64_t>(seed);
  return options;
}

void generate(Call &call) {
  const aet_structure_options options = structure_options(call.options(0));
  ProgressBridge progress(call.argument(1));
  aet_atoms *atoms = nullptr;
  const aet_status status = aet_atoms_generate(&options, ProgressBridge::call, &progress, &atoms);
  give_made(call, atoms, status, progress);
}

}  // namespace

void add_generate_commands(CommandTable &table) { table["atoms_generate"] = generate; }

}  // namespace aet_mex
