// One call of the gateway as its commands see it.
#pragma once

#include <mex.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "arrays.hpp"
#include "callbacks.hpp"
#include "failure.hpp"
#include "handles.hpp"
#include "options.hpp"

namespace aet_mex {

/// aet_mex(command, argument 0, argument 1, ...): arguments in, arrays out.
class Call {
 public:
  Call(int nlhs, mxArray **plhs, int nrhs, const mxArray **prhs)
      : outputs_(nlhs), output_(plhs), arguments_(nrhs - 1), argument_(prhs + 1) {}

  int outputs() const { return outputs_; }
  const mxArray *argument(int index) const {
    if (index >= arguments_) {
      throw Failure("aet:null", "argument " + std::to_string(index + 1) + " of this command is missing");
    }
    return argument_[index];
  }
  template <class T>
  std::shared_ptr<T> handle(int index) const {
    return HandleTable<T>::instance().find(key(argument(index)));
  }
  /// As `handle`, but an empty array is no object at all.
  template <class T>
  std::shared_ptr<T> optional_handle(int index) const {
    return mxIsEmpty(argument(index)) ? nullptr : handle<T>(index);
  }
  std::string text(int index, const char *name) const { return aet_mex::text(argument(index), name); }
  Options options(int index) const { return Options(argument(index)); }

  /// Gives `array` to the host as output `index`; output 0 always exists.
  void give(int index, mxArray *array) {
    if (index == 0 || index < outputs_) {
      output_[index] = array;
    } else {
      mxDestroyArray(array);
    }
  }
  void give(int index, double value) { give(index, make_number(value)); }
  void give(int index, const std::string &value) { give(index, make_text(value)); }
  template <class T>
  void give_handle(T *object) {
    give_handle(0, object);
  }
  /// The host must take the output: an object that it does not ask for has no owner.
  template <class T>
  void give_handle(int index, T *object) {
    const uint64_t key = HandleTable<T>::instance().add(object);
    mxArray *array = mxCreateNumericMatrix(1, 1, mxUINT64_CLASS, mxREAL);
    *static_cast<uint64_t *>(mxGetData(array)) = key;
    give(index, array);
  }

 private:
  int outputs_;
  mxArray **output_;
  int arguments_;
  const mxArray **argument_;
};

using Command = void (*)(Call &);
using CommandTable = std::unordered_map<std::string_view, Command>;

// One per object of the library, each in its own file; command names are those of the C functions.
void add_library_commands(CommandTable &table);
void add_dataset_commands(CommandTable &table);
void add_table_commands(CommandTable &table);
void add_atoms_commands(CommandTable &table);
void add_specimen_commands(CommandTable &table);
void add_generate_commands(CommandTable &table);
void add_probe_commands(CommandTable &table);
void add_detector_commands(CommandTable &table);
void add_orbital_commands(CommandTable &table);
void add_volume_commands(CommandTable &table);
void add_volume_filter_commands(CommandTable &table);
void add_classify_commands(CommandTable &table);
void add_instrument_commands(CommandTable &table);
void add_simulation_commands(CommandTable &table);
void add_series_commands(CommandTable &table);
void add_recon_commands(CommandTable &table);
void add_evaluation_commands(CommandTable &table);
void add_second_order_commands(CommandTable &table);
void add_tomography_commands(CommandTable &table);

/// Options of the local-orbital model and the orbital that they point to.
struct LotOptions {
  aet_lot_options values;
  std::shared_ptr<aet_orbital> orbital;
};
/// Those out of a struct of all options of a command.
LotOptions lot_options(const Options &given);

/// Options of tomography and the volumes that they point to; weights stay in the host's array.
struct TomographyOptions {
  aet_tomography_options values;
  std::shared_ptr<aet_volume> initial, support;

  explicit TomographyOptions(const Options &given, int32_t method = AET_TOMOGRAPHY_METHOD_RESIRE);
};

/// Frees the object of kind T behind argument 0.
template <class T>
void free_handle(Call &call) {
  HandleTable<T>::instance().remove(key(call.argument(0)));
}

/// Gives the object that a long call has made, also where the call was ended and kept what was done. It is freed where the
/// progress function failed, and without an object the status tells why.
template <class T>
void give_made(Call &call, T *object, aet_status status, const ProgressBridge &progress) {
  std::unique_ptr<T, void (*)(T *)> made(object, Kind<T>::release);
  progress.rethrow();
  if (!made) {
    check(status);
  }
  call.give_handle(made.release());
}

/// A number of an object: number_of<aet_dataset, int64_t, aet_dataset_rows>.
template <class T, class Value, Value (*getter)(const T *)>
void number_of(Call &call) {
  call.give(0, static_cast<double>(getter(call.handle<T>(0).get())));
}

/// Reads a text of unknown length: `read(buffer, capacity, needed)` is called twice.
template <class Read>
std::string read_text(Read read) {
  size_t needed = 0;
  check(read(nullptr, size_t{0}, &needed));
  std::string result(needed, '\0');
  check(read(result.data(), result.size(), &needed));
  result.resize(needed > 0 ? needed - 1 : 0);
  return result;
}

/// An options struct of the library with its defaults.
template <class T>
T defaults(aet_status (*init)(T *, size_t)) {
  T options{};
  check(init(&options, sizeof options));
  return options;
}

}  // namespace aet_mex
