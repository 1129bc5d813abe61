// The one gateway between MATLAB or Octave and libaet: aet_mex(command, arguments...).
// Users call the classes of +aet; the commands are named after the C functions.
#include <cstdio>
#include <new>

#include "call.hpp"
#include "host_functions.hpp"

namespace aet_mex {

namespace {

/// A library of another ABI would read our structs wrongly: say so before it does.
void require_layout() {
  const struct {
    const char *name;
    size_t size;
  } expected[] = {{"aet_view", sizeof(aet_view)},
                  {"aet_const_view", sizeof(aet_const_view)},
                  {"aet_context_options", sizeof(aet_context_options)},
                  {"aet_progress", sizeof(aet_progress)},
                  {"aet_dataset_options", sizeof(aet_dataset_options)},
                  {"aet_frames", sizeof(aet_frames)},
                  {"aet_compare_options", sizeof(aet_compare_options)},
                  {"aet_accuracy_options", sizeof(aet_accuracy_options)},
                  {"aet_comparison", sizeof(aet_comparison)},
                  {"aet_probe_options", sizeof(aet_probe_options)},
                  {"aet_detector_options", sizeof(aet_detector_options)},
                  {"aet_pattern_options", sizeof(aet_pattern_options)},
                  {"aet_lot_options", sizeof(aet_lot_options)},
                  {"aet_block", sizeof(aet_block)},
                  {"aet_run_options", sizeof(aet_run_options)},
                  {"aet_tomography_options", sizeof(aet_tomography_options)},
                  {"aet_trace_options", sizeof(aet_trace_options)},
                  {"aet_lattice_options", sizeof(aet_lattice_options)},
                  {"aet_find_options", sizeof(aet_find_options)},
                  {"aet_classify_options", sizeof(aet_classify_options)},
                  {"aet_instrument_options", sizeof(aet_instrument_options)},
                  {"aet_simulation_options", sizeof(aet_simulation_options)},
                  {"aet_ensemble_options", sizeof(aet_ensemble_options)},
                  {"aet_series_options", sizeof(aet_series_options)},
                  {"aet_scan_gradients", sizeof(aet_scan_gradients)},
                  {"aet_error_options", sizeof(aet_error_options)},
                  {"aet_error_report", sizeof(aet_error_report)}};
  for (const auto &entry : expected) {
    const size_t got = aet_struct_size(entry.name);
    if (got != entry.size) {
      throw Failure("aet:structSize", std::string("libaet ") + aet_version_string() + " has " + entry.name + " of " +
                                          std::to_string(got) + " bytes, aet_mex was built for " +
                                          std::to_string(entry.size) + ": build it again with build_aet");
    }
  }
}

bool initialised = false;

void at_exit() {
  close_log();
  free_all_handles();
  release_host_functions();
  initialised = false;
}

const CommandTable &commands() {
  static const CommandTable table = [] {
    CommandTable all;
    add_library_commands(all);
    add_dataset_commands(all);
    add_table_commands(all);
    add_atoms_commands(all);
    add_specimen_commands(all);
    add_generate_commands(all);
    add_probe_commands(all);
    add_detector_commands(all);
    add_orbital_commands(all);
    add_volume_commands(all);
    add_volume_filter_commands(all);
    add_classify_commands(all);
    add_instrument_commands(all);
    add_simulation_commands(all);
    add_series_commands(all);
    add_recon_commands(all);
    add_evaluation_commands(all);
    add_second_order_commands(all);
    add_tomography_commands(all);
    return all;
  }();
  return table;
}

/// Once per load: messages from warning level on become warnings of the host until the user says otherwise.
void initialise() {
  if (initialised) {
    return;
  }
  require_layout();
  mexAtExit(at_exit);
  set_log(AET_LOG_LEVEL_WARNING, nullptr);
  initialised = true;
}

void dispatch(int nlhs, mxArray **plhs, int nrhs, const mxArray **prhs) {
  if (nrhs < 1) {
    throw Failure("aet:unknownOption",
                  "aet_mex is the inner gateway; use the classes of the package aet (help aet.TiltSeries)");
  }
  initialise();
  const std::string name = text(prhs[0], "command");
  const auto command = commands().find(name);
  if (command == commands().end()) {
    throw Failure("aet:unknownOption", "aet_mex has no command '" + name + "'");
  }
  Call call(nlhs, plhs, nrhs, prhs);
  command->second(call);
}

/// Runs one call. What went wrong is left in plain buffers, so that no destructor is pending when the
/// host's error function jumps away. Exceptions of the host itself (Ctrl-C) pass through.
bool run(int nlhs, mxArray **plhs, int nrhs, const mxArray **prhs, char (&id)[128], char (&message)[4096]) {
  try {
    try {
      dispatch(nlhs, plhs, nrhs, prhs);
    } catch (const Failure &) {
      deliver_log();
      throw;
    }
    deliver_log();
    return true;
  } catch (const Failure &failure) {
    std::snprintf(id, sizeof id, "%s", failure.id().c_str());
    std::snprintf(message, sizeof message, "%s", failure.what());
  } catch (const std::bad_alloc &) {
    std::snprintf(id, sizeof id, "aet:memory");
    std::snprintf(message, sizeof message, "the host is out of memory");
  }
  return false;
}

}  // namespace

}  // namespace aet_mex

void mexFunction(int nlhs, mxArray *plhs[], int nrhs, const mxArray *prhs[]) {
  static char id[128];
  static char message[4096];
  if (!aet_mex::run(nlhs, plhs, nrhs, prhs, id, message)) {
    mexErrMsgIdAndTxt(id, "%s", message);
  }
}
