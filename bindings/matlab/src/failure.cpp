#include "failure.hpp"

#include <cctype>

namespace aet_mex {

std::string camel_case(const std::string &snake) {
  std::string camel;
  bool upper = false;
  for (const char c : snake) {
    if (c == '_') {
      upper = true;
      continue;
    }
    const auto letter = static_cast<unsigned char>(c);
    camel += static_cast<char>(upper ? std::toupper(letter) : std::tolower(letter));
    upper = false;
  }
  return camel;
}

std::string camel_name(aet_status status) {
  std::string name = aet_status_name(status);
  for (const std::string prefix : {"AET_ERROR_", "AET_"}) {
    if (name.rfind(prefix, 0) == 0) {
      name.erase(0, prefix.size());
      break;
    }
  }
  return camel_case(name);
}

static std::string last_message() {
  const size_t needed = aet_last_error_copy(nullptr, 0);
  std::string text(needed, '\0');
  aet_last_error_copy(text.data(), text.size());
  text.resize(text.find('\0') == std::string::npos ? text.size() : text.find('\0'));
  return text.empty() ? aet_last_error_message() : text;
}

void check(aet_status status) {
  if (status == AET_CANCELLED) {
    throw Failure("aet:cancelled", "the call was cancelled before it had a result");
  }
  if (status >= first_fault) {
    throw Failure("aet:" + camel_name(status), last_message());
  }
}

std::string check_outcome(aet_status status) {
  if (status != AET_CANCELLED) {
    check(status);
  }
  return camel_name(status);
}

}  // namespace aet_mex
