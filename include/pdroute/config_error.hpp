// SPDX-License-Identifier: Apache-2.0
// Why a configuration was refused: the rule that was broken and the value that broke it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pdroute::inline v0 {

/// Returned where configuration is given; nothing has changed then.
struct ConfigError {
  enum class Rule : std::uint8_t { id_not_empty, id_unique, window_in_range };

  Rule rule;
  std::string value;  ///< the offending value, as text

  /// The broken rule as a sentence without its value.
  [[nodiscard]] constexpr std::string_view text() const noexcept {
    switch (rule) {
      case Rule::id_not_empty: return "an endpoint's id must not be empty";
      case Rule::id_unique: return "an id must be unique within its role";
      case Rule::window_in_range: return "a window must be longer than zero and at most a hundred years long";
    }
    return "";
  }
};

}  // namespace pdroute::inline v0
