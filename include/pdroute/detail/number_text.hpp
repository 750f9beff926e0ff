// SPDX-License-Identifier: Apache-2.0
// A number as text, with as many digits as it takes to tell it from all others.
#pragma once

#include <array>
#include <charconv>
#include <string>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// "812", "0.1", "1.0000001", "nan"; unlike `std::to_string`, which rounds. Does not look at the locale.
[[nodiscard]] inline std::string number_text(double number) {
  std::array<char, 32> digits{};
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), end};
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
