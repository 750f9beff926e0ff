// SPDX-License-Identifier: Apache-2.0
// A named cost as text, for explanations.
#pragma once

#include <pdroute/detail/number_text.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// "tokens 812"
[[nodiscard]] inline std::string cost_text(std::string_view name, double value) {
  return std::string(name).append(" ").append(number_text(value));
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
