// What the parameter layout of a reconstruction tells, and the arguments that evaluations share.
#pragma once

#include <aet.h>

#include <cstdint>
#include <string>
#include <vector>

#include "arrays.hpp"

namespace aet_mex {

/// All parameter blocks, frozen ones included.
std::vector<aet_block> blocks(const aet_recon *recon);
/// The block called `name`; where there is none, one of a single axis, so that the library can say so.
aet_block find_block(const aet_recon *recon, const std::string &name);
/// An array of the host for the values of a block. A volume [z,y,x] is one as volumes are everywhere: y x x x z.
Output values_output(const aet_block &block);
/// Images of the dataset version the reconstruction works on, excluded ones included.
int64_t image_count(const aet_recon *recon);

/// A parameter vector of the host; the library judges its length.
struct Parameters {
  const double *data;
  int64_t size;

  explicit Parameters(const mxArray *x) : data(doubles(x, "x")), size(static_cast<int64_t>(mxGetNumberOfElements(x))) {}
};

/// A subset of images, 1-based in the host; empty means all that are not excluded.
struct Subset {
  std::vector<int64_t> images;

  Subset(const mxArray *list, const aet_recon *recon) : images(zero_based<int64_t>(list, "images")) {
    if (!images.empty()) {
      require_indices(images, "images", image_count(recon));
    }
  }
  const int64_t *data() const { return images.empty() ? nullptr : images.data(); }
  int64_t size() const { return static_cast<int64_t>(images.size()); }
};

}  // namespace aet_mex
