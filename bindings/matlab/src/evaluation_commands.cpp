// Commands of aet_recon: parameters, blocks, evaluation at a host's own parameter vector.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "call.hpp"
#include "recon_blocks.hpp"

namespace aet_mex {

std::vector<aet_block> blocks(const aet_recon *recon) {
  std::vector<aet_block> all(static_cast<size_t>(aet_recon_block_count(recon)));
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].struct_size = sizeof all[i];
    check(aet_recon_parameter_layout(recon, static_cast<int64_t>(i), &all[i]));
  }
  return all;
}

aet_block find_block(const aet_recon *recon, const std::string &name) {
  for (const aet_block &block : blocks(recon)) {
    if (name == block.name) {
      return block;
    }
  }
  aet_block none{};
  none.ndim = 1;
  none.shape[0] = 1;
  return none;
}

Output values_output(const aet_block &block) {
  return block.ndim == 3 ? stack_output(block.shape[0], block.shape[1], block.shape[2])
                         : block_output(block.ndim, block.shape);
}

int64_t image_count(const aet_recon *recon) { return find_block(recon, "drift").shape[0]; }

namespace {

void layout(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const std::vector<aet_block> all = blocks(recon.get());
  const char *names[] = {"name", "unit", "class", "shape", "size", "offset", "scale", "lower", "upper", "frozen"};
  mxArray *answer = mxCreateStructMatrix(static_cast<mwSize>(all.size()), 1, 10, names);
  for (size_t i = 0; i < all.size(); ++i) {
    const aet_block &block = all[i];
    const Output shape = matrix_output(1, block.ndim);
    std::copy(block.shape, block.shape + block.ndim, mxGetDoubles(shape.array));
    mxArray *values[] = {make_text(block.name),
                         make_text(block.unit),
                         make_text(block.dtype == AET_DTYPE_F32 ? "single" : "double"),
                         shape.array,
                         make_number(static_cast<double>(block.size)),
                         make_number(static_cast<double>(block.offset + 1)),
                         make_number(block.scale),
                         make_number(block.lower),
                         make_number(block.upper),
                         mxCreateLogicalScalar(block.frozen != 0)};
    for (int field = 0; field < 10; ++field) {
      mxSetFieldByNumber(answer, i, field, values[field]);
    }
  }
  call.give(0, answer);
}

void get_parameters(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Output x = vector_output(aet_recon_parameter_count(recon.get()));
  check(aet_recon_get_parameters(recon.get(), x.view.shape[0], static_cast<double *>(x.view.data)));
  call.give(0, x.array);
}

void set_parameters(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Parameters x(call.argument(1));
  check(aet_recon_set_parameters(recon.get(), x.size, x.data));
}

void get_block(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const std::string name = call.text(1, "name");
  const Output out = values_output(find_block(recon.get(), name));
  check(aet_recon_get_block(recon.get(), name.c_str(), &out.view));
  call.give(0, out.array);
}

void set_block(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const std::string name = call.text(1, "name");
  const mxArray *array = call.argument(2);
  const int32_t ndim = find_block(recon.get(), name).ndim;
  const aet_const_view values = ndim == 1   ? vector_view(array, "values")
                                : ndim == 3 ? stack_view(array, "values")
                                            : matrix_view(array, "values");
  check(aet_recon_set_block(recon.get(), name.c_str(), &values));
}

void freeze(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  check(aet_recon_freeze(recon.get(), call.text(1, "name").c_str(), truth(call.argument(2), "frozen")));
}

/// Room for the losses of all images, excluded ones included: more than the library writes. What it
/// has written is told by the NaNs left behind.
mxArray *written_part(const std::vector<double> &losses) {
  const auto is_written = [](double loss) { return !std::isnan(loss); };
  const auto end = std::find_if(losses.rbegin(), losses.rend(), is_written).base();
  const Output out = vector_output(end - losses.begin());
  std::copy(losses.begin(), end, mxGetDoubles(out.array));
  return out.array;
}

void loss_and_gradient(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Parameters x(call.argument(1));
  const Subset subset(call.argument(2), recon.get());
  mxArray *gradient = nullptr;
  double *gradient_data = nullptr;
  if (call.outputs() > 1) {
    const Output out = vector_output(x.size);
    gradient = out.array;
    gradient_data = static_cast<double *>(out.view.data);
  }
  std::vector<double> losses;
  if (call.outputs() > 2) {
    const int64_t room = std::max(subset.size(), image_count(recon.get()));
    losses.assign(static_cast<size_t>(room), std::numeric_limits<double>::quiet_NaN());
  }
  double loss = 0.0;
  check(aet_recon_loss_and_gradient(recon.get(), x.size, x.data, subset.data(), subset.size(), &loss, gradient_data,
                                    losses.empty() ? nullptr : losses.data()));
  call.give(0, loss);
  if (gradient) {
    call.give(1, gradient);
  }
  if (call.outputs() > 2) {
    call.give(2, written_part(losses));
  }
}

/// aet_mex('recon_predict', recon, x, images, [rows columns]): the images must be listed.
void predict(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Parameters x(call.argument(1));
  const Subset subset(call.argument(2), recon.get());
  const double *size = doubles(call.argument(3), "size");
  const Output out = stack_output(subset.size(), static_cast<int64_t>(size[0]), static_cast<int64_t>(size[1]));
  check(aet_recon_predict(recon.get(), x.size, x.data, subset.data(), subset.size(), &out.view));
  call.give(0, out.array);
}

void pull_back(Call &call) {
  const auto recon = call.handle<aet_recon>(0);
  const Parameters x(call.argument(1));
  const Subset subset(call.argument(2), recon.get());
  const aet_const_view residuals = stack_view(call.argument(3), "residuals");
  const Output gradient = vector_output(x.size);
  check(aet_recon_pull_back(recon.get(), x.size, x.data, subset.data(), subset.size(), &residuals,
                            static_cast<double *>(gradient.view.data)));
  call.give(0, gradient.array);
}

}  // namespace

void add_evaluation_commands(CommandTable &table) {
  table["recon_layout"] = layout;
  table["recon_parameter_count"] = number_of<aet_recon, int64_t, aet_recon_parameter_count>;
  table["recon_get_parameters"] = get_parameters;
  table["recon_set_parameters"] = set_parameters;
  table["recon_get_block"] = get_block;
  table["recon_set_block"] = set_block;
  table["recon_freeze"] = freeze;
  table["recon_loss_and_gradient"] = loss_and_gradient;
  table["recon_predict"] = predict;
  table["recon_pull_back"] = pull_back;
}

}  // namespace aet_mex
