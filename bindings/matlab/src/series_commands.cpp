// Commands of aet_series_options: specimen, rotations and foci become a folder of images or diffraction patterns.
#include "call.hpp"
#include "instrument_options.hpp"
#include "simulation_options.hpp"

namespace aet_mex {

namespace {

/// aet_series_options and all that they point to.
class SeriesOptions {
 public:
  /// Rotations 3 x 3 x tilts, foci, and three structs of options.
  SeriesOptions(const mxArray *rotations, const mxArray *foci, const Options &given, const Options &simulation,
                const Options &instrument)
      : options_(defaults(aet_series_options_init)),
        rotations_(stack_view(rotations, "rotations")),
        foci_(vector_view(foci, "foci")),
        simulation_(simulation),
        instrument_(instrument) {
    options_.rotations = &rotations_;
    options_.foci = &foci_;
    options_.simulation = simulation_.get();
    options_.instrument = instrument_.get();
    given.read("PixelSize", options_.pixel_size);
    given.read("Vacuum", options_.vacuum);
    given.read("DefocusSpread", options_.defocus_spread);
    given.read("DefocusNodes", options_.defocus_nodes);
    given.read("SemiAngleSpreadMrad", options_.semiangle_spread_mrad);
    given.read("SemiAngleNodes", options_.semiangle_nodes);
    given.read("Rows", options_.rows);
    given.read("Columns", options_.columns);
    given.read("PhononConfigurations", options_.phonon_configurations);
    given.read("PhononSeed", options_.phonon_seed);
    given.read("MemoryCap", options_.memory_cap);
    given.read_flag("WholeWindow", options_.whole_window);
  }
  SeriesOptions(const SeriesOptions &) = delete;
  SeriesOptions &operator=(const SeriesOptions &) = delete;

  const aet_series_options *get() const { return &options_; }

 private:
  aet_series_options options_;
  aet_const_view rotations_, foci_;
  SimulationOptions simulation_;
  Instrument instrument_;
};

/// What both commands take first: context, atoms, probe, detector, then what SeriesOptions takes.
struct Series {
  explicit Series(const Call &call)
      : context(call.handle<aet_context>(0)),
        atoms(call.handle<aet_atoms>(1)),
        probe(call.handle<aet_probe>(2)),
        detector(call.handle<aet_detector>(3)),
        options(call.argument(4), call.argument(5), call.options(6), call.options(7), call.options(8)) {}

  std::shared_ptr<aet_context> context;
  std::shared_ptr<aet_atoms> atoms;
  std::shared_ptr<aet_probe> probe;
  std::shared_ptr<aet_detector> detector;
  SeriesOptions options;
};

void simulate(Call &call) {
  const Series series(call);
  const std::string folder = call.text(9, "folder");
  ProgressBridge progress(call.argument(10));
  const aet_status status =
      aet_simulate_series(series.context.get(), series.atoms.get(), series.probe.get(), series.detector.get(),
                          series.options.get(), folder.c_str(), ProgressBridge::call, &progress);
  progress.rethrow();
  check(status);
  call.give(0, folder);
}

void estimate_memory(Call &call) {
  const Series series(call);
  uint64_t bytes = 0;
  check(aet_simulate_series_estimate_memory(series.context.get(), series.atoms.get(), series.probe.get(),
                                            series.detector.get(), series.options.get(), &bytes));
  call.give(0, static_cast<double>(bytes));
}

}  // namespace

void add_series_commands(CommandTable &table) {
  table["simulate_series"] = simulate;
  table["simulate_series_estimate_memory"] = estimate_memory;
}

}  // namespace aet_mex
