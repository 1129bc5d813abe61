// Errors of the gateway: thrown as C++ exceptions, turned into host errors in mexFunction only.
#pragma once

#include <aet.h>

#include <exception>
#include <string>

namespace aet_mex {

/// What the user will see: an identifier such as "aet:shape" and a text.
class Failure : public std::exception {
 public:
  Failure(std::string id, std::string text) : id_(std::move(id)), text_(std::move(text)) {}
  const char *what() const noexcept override { return text_.c_str(); }
  const std::string &id() const noexcept { return id_; }

 private:
  std::string id_;
  std::string text_;
};

/// "AET_ERROR_STALE_PARAMETERS" -> "staleParameters", "AET_MAX_ITERATIONS" -> "maxIterations".
std::string camel_name(aet_status status);

/// "gradient_norm" -> "gradientNorm": the host's spelling of a name of the library.
std::string camel_case(const std::string &snake);

/// Codes below 100 are outcomes; from 100 on the library's message is thrown as a Failure.
inline constexpr aet_status first_fault = 100;

/// Throws the library's message where `status` is a fault, and where it is AET_CANCELLED: a cancelled
/// call that was to make something has made nothing.
void check(aet_status status);

/// As `check`, but returns outcomes (cancelled, converged, ...) under their host name.
std::string check_outcome(aet_status status);

}  // namespace aet_mex
