// Options arrive as one struct whose field names were checked by +aet/+internal/options.m.
#pragma once

#include <mex.h>

#include <cstdint>
#include <string>

#include "arrays.hpp"

namespace aet_mex {

/// One word of an option and the enum value it stands for.
struct Choice {
  const char *word;
  int32_t value;
};

/// Reads the fields that are present and leaves the library's defaults where they are not.
class Options {
 public:
  explicit Options(const mxArray *structure);
  /// NULL where the field is absent or empty.
  const mxArray *find(const char *name) const;
  void read(const char *name, double &value) const;
  void read(const char *name, int32_t &value) const;
  void read(const char *name, int64_t &value) const;
  /// Up to N numbers in memory order; zeros behind them.
  template <class T, size_t N>
  void read(const char *name, T (&values)[N]) const {
    if (const mxArray *given = find(name)) {
      few_numbers(given, name, values, N);
    }
  }
  /// Sets 1 for true, 0 for false.
  void read_flag(const char *name, int32_t &value) const;

  template <size_t N>
  void choose(const char *name, const Choice (&choices)[N], int32_t &value) const {
    choose(name, choices, N, value);
  }

 private:
  void choose(const char *name, const Choice *choices, size_t count, int32_t &value) const;

  const mxArray *structure_;
};

/// Word of an enum value; "unknown" where the library is newer than this file.
template <size_t N>
std::string word_of(const Choice (&choices)[N], int32_t value) {
  for (const Choice &choice : choices) {
    if (choice.value == value) {
      return choice.word;
    }
  }
  return "unknown";
}

}  // namespace aet_mex
