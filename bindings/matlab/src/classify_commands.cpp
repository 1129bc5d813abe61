// Commands that tell which species atoms are.
#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice methods[] = {{"gaussian", AET_CLASSIFY_METHOD_GAUSSIAN},
                              {"kMeans", AET_CLASSIFY_METHOD_K_MEANS},
                              {"profileGlobal", AET_CLASSIFY_METHOD_PROFILE_GLOBAL},
                              {"profileLocal", AET_CLASSIFY_METHOD_PROFILE_LOCAL},
                              {"expected", AET_CLASSIFY_METHOD_EXPECTED}};
constexpr Choice regions[] = {
    {"box", AET_REGION_BOX}, {"boxLength", AET_REGION_BOX_LENGTH}, {"sphere", AET_REGION_SPHERE}};

/// aet_atoms_classify(atoms, volume or [], options, progress): keys of the atoms and of the two tables.
void classify(Call &call) {
  const auto atoms = call.handle<aet_atoms>(0);
  const auto volume = call.optional_handle<aet_volume>(1);
  const Options given = call.options(2);
  auto options = defaults(aet_classify_options_init);
  given.read("Species", options.species);
  given.read_flag("NonAtoms", options.non_atoms);
  given.choose("Method", methods, options.method);
  given.read("Smoothing", options.smoothing);
  given.choose("Region", regions, options.region);
  given.read("RegionSize", options.region_size);
  given.read("Radius", options.radius);
  given.read_flag("OtsuMask", options.otsu_mask);
  given.read("Seed", options.seed);
  given.read("Expected", options.expected);
  if (call.outputs() < 3) {
    throw Failure("aet:null", "atoms_classify gives three objects, all of which must be taken");
  }
  ProgressBridge progress(call.argument(3));
  aet_atoms *kept = nullptr;
  aet_table *table = nullptr;
  aet_table *classes = nullptr;
  const aet_status status = aet_atoms_classify(atoms.get(), volume.get(), &options, ProgressBridge::call, &progress,
                                               &kept, &table, &classes);
  std::unique_ptr<aet_atoms, void (*)(aet_atoms *)> made(kept, aet_atoms_free);
  std::unique_ptr<aet_table, void (*)(aet_table *)> rows(table, aet_table_free);
  std::unique_ptr<aet_table, void (*)(aet_table *)> sums(classes, aet_table_free);
  progress.rethrow();
  check(status);
  call.give_handle(0, made.release());
  call.give_handle(1, rows.release());
  call.give_handle(2, sums.release());
}

}  // namespace

void add_classify_commands(CommandTable &table) { table["atoms_classify"] = classify; }

}  // namespace aet_mex
