#include "options.hpp"

#include <limits>

#include "arrays.hpp"
#include "failure.hpp"

namespace aet_mex {

Options::Options(const mxArray *structure) : structure_(structure) {
  if (!mxIsStruct(structure)) {
    throw Failure("aet:unknownOption",
                  std::string("options: got class ") + mxGetClassName(structure) + ", wanted a struct");
  }
}

const mxArray *Options::find(const char *name) const {
  const mxArray *value = mxGetField(structure_, 0, name);
  return value && !mxIsEmpty(value) ? value : nullptr;
}

void Options::read(const char *name, double &value) const {
  if (const mxArray *given = find(name)) {
    value = number(given, name);
  }
}

void Options::read(const char *name, int64_t &value) const {
  if (const mxArray *given = find(name)) {
    value = integer(given, name);
  }
}

void Options::read(const char *name, int32_t &value) const {
  int64_t wide = value;
  read(name, wide);
  if (wide < std::numeric_limits<int32_t>::min() || wide > std::numeric_limits<int32_t>::max()) {
    throw Failure("aet:range", std::string(name) + ": got " + std::to_string(wide) + ", wanted at most 2147483647");
  }
  value = static_cast<int32_t>(wide);
}

void Options::read_flag(const char *name, int32_t &value) const {
  if (const mxArray *given = find(name)) {
    value = truth(given, name) ? 1 : 0;
  }
}

void Options::choose(const char *name, const Choice *choices, size_t count, int32_t &value) const {
  const mxArray *given = find(name);
  if (!given) {
    return;
  }
  const std::string word = text(given, name);
  std::string known;
  for (size_t i = 0; i < count; ++i) {
    if (word == choices[i].word) {
      value = choices[i].value;
      return;
    }
    known += std::string(i ? ", " : "") + "'" + choices[i].word + "'";
  }
  throw Failure("aet:unknownOption", std::string(name) + ": got '" + word + "', wanted one of " + known);
}

}  // namespace aet_mex
