// Commands of the library as a whole: versions, log, contexts.
#include "call.hpp"

namespace aet_mex {

namespace {

constexpr Choice simd_paths[] = {{"automatic", AET_SIMD_AUTOMATIC},
                                 {"portable", AET_SIMD_PORTABLE},
                                 {"avx2", AET_SIMD_AVX2},
                                 {"avx512", AET_SIMD_AVX512}};

void version(Call &call) {
  call.give(0, std::string(aet_version_string()));
  call.give(1, aet_version_number());
  call.give(2, aet_abi_version());
}

void log_set(Call &call) { set_log(log_level(call.text(0, "level")), call.argument(1)); }

void context_create(Call &call) {
  const Options given = call.options(0);
  auto options = defaults(aet_context_options_init);
  given.read("Threads", options.threads);
  given.choose("Simd", simd_paths, options.simd);
  aet_context *context = nullptr;
  check(aet_context_create(&options, &context));
  call.give_handle(context);
}

void context_simd(Call &call) {
  call.give(0, word_of(simd_paths, aet_context_simd(call.handle<aet_context>(0).get())));
}

void context_request_cancel(Call &call) { aet_context_request_cancel(call.handle<aet_context>(0).get()); }

}  // namespace

void add_library_commands(CommandTable &table) {
  table["version"] = version;
  table["log_set"] = log_set;
  table["context_create"] = context_create;
  table["context_free"] = free_handle<aet_context>;
  table["context_threads"] = number_of<aet_context, int32_t, aet_context_threads>;
  table["context_simd"] = context_simd;
  table["context_request_cancel"] = context_request_cancel;
}

}  // namespace aet_mex
