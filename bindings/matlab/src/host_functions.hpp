// Functions of the user that a reconstruction keeps: terms of its loss, its projection.
#pragma once

#include <cstdint>

namespace aet_mex {

/// Lets go of the functions of one reconstruction, which calls them no more.
void release_host_functions(uint64_t recon) noexcept;
/// Lets go of all of them.
void release_host_functions() noexcept;

}  // namespace aet_mex
