// Commands of aet_instrument_options: what scan, dose and detector make of ideal images.
#include "call.hpp"
#include "instrument_options.hpp"

namespace aet_mex {

namespace {

void record(Call &call) {
  const auto dataset = call.handle<aet_dataset>(0);
  const Instrument instrument(call.options(1));
  ProgressBridge progress(call.argument(2));
  aet_dataset *recorded = nullptr;
  const aet_status status =
      aet_dataset_record(dataset.get(), instrument.get(), ProgressBridge::call, &progress, &recorded);
  give_made(call, recorded, status, progress);
}

/// rows x columns x n, as singles.
void record_patterns(Call &call) {
  const auto context = call.handle<aet_context>(0);
  const aet_const_view patterns = stack_view(call.argument(1), "patterns");
  const Instrument instrument(call.options(2));
  const int64_t first = integer(call.argument(3), "First") - 1;
  require_indices({first}, "First", INT64_MAX);
  ProgressBridge progress(call.argument(4));
  const Output out = stack_output(patterns.shape[0], patterns.shape[1], patterns.shape[2], mxSINGLE_CLASS);
  const aet_status status = aet_patterns_record(context.get(), &patterns, instrument.get(), first,
                                                ProgressBridge::call, &progress, &out.view);
  progress.rethrow();
  check(status);
  call.give(0, out.array);
}

void copy_truth(Call &call) {
  const std::string name = call.text(0, "name");
  const Instrument instrument(call.options(1));
  const int64_t shape[3] = {integer(call.argument(2), "rows"), integer(call.argument(3), "columns"), 2};
  if (shape[0] < 0 || shape[1] < 0) {
    throw Failure("aet:range", "size: got " + std::to_string(shape[0]) + " x " + std::to_string(shape[1]) +
                                   ", wanted positive numbers");
  }
  const int64_t image = integer(call.argument(5), "Image") - 1;
  require_indices({image}, "Image", INT64_MAX);
  const Output out = block_output(name == "displacements" ? 3 : 2, shape);
  check(aet_instrument_copy_truth(instrument.get(), number(call.argument(4), "PixelSize"), image, name.c_str(),
                                  &out.view));
  call.give(0, out.array);
}

}  // namespace

void add_instrument_commands(CommandTable &table) {
  table["dataset_record"] = record;
  table["patterns_record"] = record_patterns;
  table["instrument_copy_truth"] = copy_truth;
}

}  // namespace aet_mex
