#include "callbacks.hpp"

#include <vector>

#ifdef HAVE_OCTAVE
#include <quit.h>
#elif !defined(_WIN32)
#include <dlfcn.h>
#endif

#include "arrays.hpp"
#include "failure.hpp"
#include "options.hpp"

namespace aet_mex {

namespace {

constexpr Choice phases[] = {{"reading", AET_PHASE_READING},
                             {"planning", AET_PHASE_PLANNING},
                             {"evaluating", AET_PHASE_EVALUATING},
                             {"optimizing", AET_PHASE_OPTIMIZING},
                             {"saving", AET_PHASE_SAVING},
                             {"simulating", AET_PHASE_SIMULATING}};

constexpr Choice levels[] = {{"off", AET_LOG_LEVEL_OFF},
                             {"error", AET_LOG_LEVEL_ERROR},
                             {"warning", AET_LOG_LEVEL_WARNING},
                             {"info", AET_LOG_LEVEL_INFO},
                             {"debug", AET_LOG_LEVEL_DEBUG}};

/// Has the user pressed Ctrl-C? Octave answers with its own exception, which goes on after the call.
bool interrupted() {
#ifdef HAVE_OCTAVE
  octave_quit();
  return false;
#elif defined(_WIN32)
  return false;
#else
  using Query = bool (*)();
  static const auto query = reinterpret_cast<Query>(dlsym(RTLD_DEFAULT, "utIsInterruptPending"));
  return query && query();
#endif
}

std::string field_text(const mxArray *exception, const char *name) {
  const mxArray *value = mxIsStruct(exception) ? mxGetField(exception, 0, name) : mxGetProperty(exception, 0, name);
  return value && mxIsChar(value) ? text(value, name) : std::string();
}

mxArray *progress_struct(const aet_progress &progress) {
  const char *names[] = {"phase", "iteration",     "maxIterations",  "evaluations", "fraction",
                         "loss",  "gradientNorm",  "rFactor",        "seconds",     "tilt",
                         "tilts", "configuration", "configurations", "probe",       "probes"};
  const int64_t first = progress.tilts > 0 ? 1 : 0;  // the host counts from 1; 0 where there are none
  mxArray *values[] = {make_text(word_of(phases, progress.phase)),
                       make_number(progress.iteration),
                       make_number(progress.max_iterations),
                       make_number(static_cast<double>(progress.evaluations)),
                       make_number(progress.fraction),
                       make_number(progress.loss),
                       make_number(progress.gradient_norm),
                       make_number(progress.r_factor),
                       make_number(progress.seconds),
                       make_number(static_cast<double>(progress.tilt + first)),
                       make_number(static_cast<double>(progress.tilts)),
                       make_number(static_cast<double>(progress.configuration + first)),
                       make_number(static_cast<double>(progress.configurations)),
                       make_number(static_cast<double>(progress.probe)),
                       make_number(static_cast<double>(progress.probes))};
  constexpr int count = sizeof values / sizeof values[0];
  mxArray *structure = mxCreateStructMatrix(1, 1, count, names);
  for (int i = 0; i < count; ++i) {
    mxSetFieldByNumber(structure, 0, i, values[i]);
  }
  return structure;
}

struct LogMessage {
  int32_t level;
  std::string text;
};

std::vector<LogMessage> log_queue;
mxArray *log_sink = nullptr;

void keep_message(void *, int32_t level, const char *message) noexcept {
  try {
    log_queue.push_back({level, message});
  } catch (...) {  // out of memory: the message is lost, the computation is not
  }
}

void release_sink() noexcept {
  if (log_sink) {
    mxDestroyArray(log_sink);
    log_sink = nullptr;
  }
}

}  // namespace

// Octave tells here only that there was an error, so the functions given by users are guarded in +aet/+internal.
mxArray *call_host(const mxArray *function, std::vector<mxArray *> arguments) {
  arguments.insert(arguments.begin(), const_cast<mxArray *>(function));
  mxArray *output = nullptr;
  mxArray *exception = mexCallMATLABWithTrap(1, &output, static_cast<int>(arguments.size()), arguments.data(), "feval");
  for (size_t i = 1; i < arguments.size(); ++i) {
    mxDestroyArray(arguments[i]);
  }
  if (exception) {
    const std::string id = field_text(exception, "identifier");
    throw Failure(id.empty() ? "aet:callback" : id, field_text(exception, "message"));
  }
  return output;
}

ProgressBridge::ProgressBridge(const mxArray *function) : function_(mxIsEmpty(function) ? nullptr : function) {
  if (function_ && !mxIsClass(function_, "function_handle")) {
    throw Failure("aet:unknownOption",
                  std::string("Progress: got class ") + mxGetClassName(function_) + ", wanted a function handle");
  }
}

int32_t ProgressBridge::call(void *self, const aet_progress *progress) noexcept {
  auto *bridge = static_cast<ProgressBridge *>(self);
  try {
    deliver_log();
    return !interrupted() && bridge->ask(*progress) ? 0 : 1;
  } catch (...) {
    bridge->failure_ = std::current_exception();
    return 1;
  }
}

bool ProgressBridge::ask(const aet_progress &progress) const {
  if (!function_) {
    return true;
  }
  mxArray *answer = call_host(function_, {progress_struct(progress)});
  const bool go_on = truth(answer, "answer of the progress function");
  mxDestroyArray(answer);
  return go_on;
}

void ProgressBridge::rethrow() const {
  if (failure_) {
    std::rethrow_exception(failure_);
  }
}

int32_t log_level(const std::string &word) {
  for (const Choice &level : levels) {
    if (word == level.word) {
      return level.value;
    }
  }
  throw Failure("aet:unknownOption",
                "level: got '" + word + "', wanted one of 'off', 'error', 'warning', 'info', 'debug'");
}

void set_log(int32_t level, const mxArray *sink) {
  release_sink();
  if (sink && !mxIsEmpty(sink)) {
    log_sink = mxDuplicateArray(sink);
    mexMakeArrayPersistent(log_sink);
  }
  check(aet_log_set(level, keep_message, nullptr));
}

void deliver_log() {
  std::vector<LogMessage> messages;
  messages.swap(log_queue);
  for (const LogMessage &message : messages) {
    if (log_sink) {
      mxDestroyArray(call_host(log_sink, {make_text(word_of(levels, message.level)), make_text(message.text)}));
    } else {
      mexWarnMsgIdAndTxt("aet:log", "%s", message.text.c_str());
    }
  }
}

void close_log() noexcept {
  aet_log_set(AET_LOG_LEVEL_OFF, nullptr, nullptr);
  release_sink();
}

}  // namespace aet_mex
