// What the parameter layout of a reconstruction tells.
#pragma once

#include <aet.h>

#include <cstdint>
#include <string>
#include <vector>

namespace aet_mex {

/// All parameter blocks, frozen ones included.
std::vector<aet_block> blocks(const aet_recon *recon);
/// The block called `name`; where there is none, one of a single axis, so that the library can say so.
aet_block find_block(const aet_recon *recon, const std::string &name);
/// Images of the dataset version the reconstruction works on, excluded ones included.
int64_t image_count(const aet_recon *recon);

}  // namespace aet_mex
