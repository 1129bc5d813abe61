// Commands of aet_recon: changes of images, Gauss-Newton products, terms of the user in the loss.
#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "call.hpp"
#include "host_functions.hpp"
#include "recon_blocks.hpp"

namespace aet_mex {

namespace {

constexpr Choice methods[] = {{"automatic", AET_ESTIMATE_METHOD_AUTOMATIC},
                              {"local", AET_ESTIMATE_METHOD_LOCAL},
                              {"dense", AET_ESTIMATE_METHOD_DENSE}};
constexpr Choice noises[] = {{"automatic", AET_NOISE_MODEL_AUTOMATIC},
                             {"variance", AET_NOISE_MODEL_VARIANCE},
                             {"counts", AET_NOISE_MODEL_COUNTS},
                             {"residual", AET_NOISE_MODEL_RESIDUAL}};

/// [atoms, heightErrors, predictedRmsdPm, undetermined, method, noise] =
///   aet_mex('recon_estimate_errors', recon, options, progress)
void estimate_errors(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Options given = call.options(1);
  auto options = defaults(aet_error_options_init);
  given.choose("Method", methods, options.method);
  given.choose("Noise", noises, options.noise);
  given.read("Radius", options.radius);
  aet_error_report report{};
  report.struct_size = sizeof report;
  const Output heights = vector_output(find_block(recon.get(), "positions").shape[0]);
  ProgressBridge progress(call.argument(2));
  aet_atoms *atoms = nullptr;
  const aet_status status = aet_recon_estimate_errors(recon.get(), &options, ProgressBridge::call, &progress, &atoms,
                                                      &heights.view, &report);
  give_made(call, atoms, status, progress);
  call.give(1, heights.array);
  call.give(2, report.predicted_rmsd_pm);
  call.give(3, static_cast<double>(report.undetermined));
  call.give(4, word_of(methods, report.method));
  call.give(5, word_of(noises, report.noise));
}

/// errors = aet_mex('recon_block_errors', recon, name, options, progress)
void block_errors(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const std::string name = call.text(1, "name");
  const Options given = call.options(2);
  int32_t noise = AET_NOISE_MODEL_AUTOMATIC;
  given.choose("Noise", noises, noise);
  aet_block block = find_block(recon.get(), name);
  std::vector<int64_t> rows;
  if (const mxArray *list = given.find("Rows")) {
    rows = zero_based<int64_t>(list, "Rows");
    require_indices(rows, "Rows", block.shape[0]);
    block.shape[0] = static_cast<int64_t>(rows.size());
  }
  const Output errors = values_output(block);
  ProgressBridge progress(call.argument(3));
  const aet_status status =
      aet_recon_block_errors(recon.get(), name.c_str(), rows.empty() ? nullptr : rows.data(),
                             static_cast<int64_t>(rows.size()), noise, ProgressBridge::call, &progress, &errors.view);
  progress.rethrow();
  check(status);
  call.give(0, errors.array);
}

/// orbital = aet_mex('recon_fit_orbital', recon, options, progress)
void fit_orbital(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Options given = call.options(1);
  aet_const_view widths{};
  const mxArray *of_terms = given.find("Widths");
  if (of_terms != nullptr) {
    widths = vector_view(of_terms, "Widths");
  }
  ProgressBridge progress(call.argument(2));
  aet_orbital *orbital = nullptr;
  const aet_status status = aet_recon_fit_orbital(recon.get(), of_terms == nullptr ? nullptr : &widths,
                                                  ProgressBridge::call, &progress, &orbital);
  give_made(call, orbital, status, progress);
}

/// A direction has as many elements as x.
const double *direction_of(const Call &call, int index, const Parameters &x) {
  const Parameters direction(call.argument(index));
  if (direction.size != x.size) {
    throw Failure("aet:shape", "direction: got " + std::to_string(direction.size) + " elements, wanted " +
                                   std::to_string(x.size) + ", as many as x");
  }
  return direction.data;
}

/// aet_mex('recon_push_forward', recon, x, direction, images, [rows columns]): the images must be listed.
void push_forward(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Parameters x(call.argument(1));
  const double *direction = direction_of(call, 2, x);
  const Subset subset(call.argument(3), recon.get());
  const double *size = doubles(call.argument(4), "size");
  const Output out = stack_output(subset.size(), static_cast<int64_t>(size[0]), static_cast<int64_t>(size[1]));
  check(aet_recon_push_forward(recon.get(), x.size, x.data, subset.data(), subset.size(), direction, &out.view));
  call.give(0, out.array);
}

void gauss_newton_product(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Parameters x(call.argument(1));
  const double *direction = direction_of(call, 2, x);
  const Subset subset(call.argument(3), recon.get());
  const Output product = vector_output(x.size);
  check(aet_recon_gauss_newton_product(recon.get(), x.size, x.data, subset.data(), subset.size(), direction,
                                       static_cast<double *>(product.view.data)));
  call.give(0, product.array);
}

void gauss_newton_diagonal(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Parameters x(call.argument(1));
  const Subset subset(call.argument(2), recon.get());
  const auto probes = static_cast<int32_t>(integer(call.argument(3), "probes"));
  const Output diagonal = vector_output(x.size);
  check(aet_recon_gauss_newton_diagonal(recon.get(), x.size, x.data, subset.data(), subset.size(), probes,
                                        static_cast<double *>(diagonal.view.data)));
  call.give(0, diagonal.array);
}

void index_map(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const int64_t generation = integer(call.argument(1), "generation");
  std::vector<int64_t> map(static_cast<size_t>(aet_recon_parameter_count(recon.get())));
  check(aet_recon_index_map(recon.get(), static_cast<uint64_t>(generation), static_cast<int64_t>(map.size()),
                            map.data()));
  const Output out = vector_output(static_cast<int64_t>(map.size()));
  std::copy(map.begin(), map.end(), mxGetDoubles(out.array));
  call.give(0, to_one_based(out.array));
}

/// A function handle of the user (guarded by +aet/+internal), kept while the library has its address.
class HostFunction {
 public:
  explicit HostFunction(const mxArray *function) : function_(mxDuplicateArray(function)) {
    mexMakeArrayPersistent(function_);
  }
  ~HostFunction() { mxDestroyArray(function_); }
  HostFunction(const HostFunction &) = delete;
  HostFunction &operator=(const HostFunction &) = delete;

  /// [loss; gradient(:)] = function(values), or empty where the user's function failed.
  static int32_t term(void *self, const aet_const_view *values, double *loss, const aet_view *gradient) noexcept {
    try {
      const Output given = block_output(values->ndim, values->shape);
      const auto count = static_cast<size_t>(mxGetNumberOfElements(given.array));
      transpose(*values, static_cast<const double *>(values->data), given.view, mxGetDoubles(given.array));
      const Answer answer(call_host(static_cast<HostFunction *>(self)->function_, {given.array}));
      if (answer.size() != count + 1) {
        return 1;
      }
      *loss = answer.data()[0];
      if (gradient) {
        transpose(given.view, answer.data() + 1, *gradient, static_cast<double *>(gradient->data));
      }
      return 0;
    } catch (...) {
      return 1;
    }
  }

  /// x = function(x), or empty where the user's function failed.
  static int32_t projection(void *self, const aet_view *x) noexcept {
    try {
      const Output given = vector_output(x->shape[0]);
      auto *first = static_cast<double *>(x->data);
      std::copy(first, first + x->shape[0], mxGetDoubles(given.array));
      const Answer answer(call_host(static_cast<HostFunction *>(self)->function_, {given.array}));
      if (answer.size() != static_cast<size_t>(x->shape[0])) {
        return 1;
      }
      std::copy(answer.data(), answer.data() + answer.size(), first);
      return 0;
    } catch (...) {
      return 1;
    }
  }

 private:
  /// What the host has answered; destroyed at the end.
  class Answer {
   public:
    explicit Answer(mxArray *array) : array_(array) {}
    ~Answer() { mxDestroyArray(array_); }
    Answer(const Answer &) = delete;
    Answer &operator=(const Answer &) = delete;
    size_t size() const { return mxIsDouble(array_) ? mxGetNumberOfElements(array_) : 0; }
    const double *data() const { return mxGetDoubles(array_); }

   private:
    mxArray *array_;
  };

  /// Copies one or two logical axes between memory orders: blocks have no more.
  template <class From, class To>
  static void transpose(const From &from, const double *source, const To &to, double *target) {
    const int64_t columns = from.ndim > 1 ? from.shape[1] : 1;
    for (int64_t i = 0; i < from.shape[0]; ++i) {
      for (int64_t j = 0; j < columns; ++j) {
        const int64_t second_from = from.ndim > 1 ? j * from.strides[1] : 0;
        const int64_t second_to = to.ndim > 1 ? j * to.strides[1] : 0;
        target[i * to.strides[0] + second_to] = source[i * from.strides[0] + second_from];
      }
    }
  }

  mxArray *function_;
};

using Functions = std::unordered_map<uint64_t, std::vector<std::unique_ptr<HostFunction>>>;

/// By the key of the reconstruction that calls them.
Functions &functions() {
  static Functions all;
  return all;
}

void add_term(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  auto kept = std::make_unique<HostFunction>(call.argument(3));
  check(aet_recon_add_term(recon.get(), call.text(1, "block").c_str(), number(call.argument(2), "weight"),
                           &HostFunction::term, kept.get()));
  functions()[key(call.argument(0))].push_back(std::move(kept));
}

void set_projection(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  if (mxIsEmpty(call.argument(1))) {
    check(aet_recon_set_projection(recon.get(), nullptr, nullptr));
    return;
  }
  auto kept = std::make_unique<HostFunction>(call.argument(1));
  check(aet_recon_set_projection(recon.get(), &HostFunction::projection, kept.get()));
  functions()[key(call.argument(0))].push_back(std::move(kept));
}

void clear_terms(Call &call) {
  check(aet_recon_clear_terms(call.handle<aet_recon>(0).get()));
  release_host_functions(key(call.argument(0)));
}

}  // namespace

void release_host_functions(uint64_t recon) noexcept { functions().erase(recon); }
void release_host_functions() noexcept { functions().clear(); }

void add_second_order_commands(CommandTable &table) {
  table["recon_push_forward"] = push_forward;
  table["recon_gauss_newton_product"] = gauss_newton_product;
  table["recon_gauss_newton_diagonal"] = gauss_newton_diagonal;
  table["recon_index_map"] = index_map;
  table["recon_estimate_errors"] = estimate_errors;
  table["recon_block_errors"] = block_errors;
  table["recon_fit_orbital"] = fit_orbital;
  table["recon_add_term"] = add_term;
  table["recon_set_projection"] = set_projection;
  table["recon_clear_terms"] = clear_terms;
}

}  // namespace aet_mex
