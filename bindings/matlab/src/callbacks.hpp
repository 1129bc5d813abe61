// The ways from the library back into the host: progress and log. No exception crosses the library.
#pragma once

#include <aet.h>
#include <mex.h>

#include <exception>
#include <string>
#include <vector>

namespace aet_mex {

/// Calls the host's progress function and remembers what went wrong in it.
class ProgressBridge {
 public:
  /// `function` is a function handle, or empty: then only Ctrl-C is looked for.
  explicit ProgressBridge(const mxArray *function);
  ProgressBridge(const ProgressBridge &) = delete;
  ProgressBridge &operator=(const ProgressBridge &) = delete;

  static int32_t call(void *self, const aet_progress *progress) noexcept;
  /// Throws what the callback has thrown, if anything; to be called after the library has returned.
  void rethrow() const;

 private:
  bool ask(const aet_progress &progress) const;

  const mxArray *function_;
  std::exception_ptr failure_;
};

/// The one output of function(arguments...), whose arguments are destroyed; an error of the host becomes a Failure.
mxArray *call_host(const mxArray *function, std::vector<mxArray *> arguments);

/// Lets the library send messages up to `level` to `sink`, a function handle called as sink(level, text) that
/// answers anything and throws nothing; without one they become warnings of the host.
void set_log(int32_t level, const mxArray *sink);
/// "warning" -> AET_LOG_LEVEL_WARNING; throws aet:unknownOption.
int32_t log_level(const std::string &word);
/// Hands on the messages of the library call just made. They are kept until it is over, so that a host
/// error in the sink meets no frame of the library.
void deliver_log();
/// Ends logging; the gateway is about to be unloaded.
void close_log() noexcept;

}  // namespace aet_mex
