// SPDX-License-Identifier: Apache-2.0
// number_text: a floating-point number as the shortest text that reads back as the same number.
#pragma once

#include <array>
#include <charconv>
#include <string>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The shortest text that reads back as `number`: "812", "0.1", "1.0000001", "nan". `std::to_string` would round. Does
/// not depend on the locale.
[[nodiscard]] inline std::string number_text(double number) {
  std::array<char, 32> digits{};
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return {digits.data(), end};
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
