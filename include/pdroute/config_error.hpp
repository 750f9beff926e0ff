// SPDX-License-Identifier: Apache-2.0
// Why a configuration was refused: the rule that was broken and the value that broke it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pdroute::inline v0 {

/// Returned where configuration is given; nothing has changed then.
struct ConfigError {
  enum class Rule : std::uint8_t {
    id_not_empty,
    id_unique,
    id_known,
    window_in_range,
    capacity_in_range,
    capacity_counted,
    detached_leases_in_range,
  };

  Rule rule;
  std::string value;  ///< the offending value, as text

  /// The broken rule as a sentence without its value.
  [[nodiscard]] constexpr std::string_view text() const noexcept {
    switch (rule) {
      case Rule::id_not_empty: return "an endpoint's id must not be empty";
      case Rule::id_unique: return "an id must be unique within its role";
      case Rule::id_known: return "an id must name an endpoint of the role";
      case Rule::window_in_range: return "a window must be longer than zero and at most a hundred years long";
      case Rule::capacity_in_range:
        return "a capacity must be at least 1, and for requests at most 4,194,303; leave it out for no limit";
      case Rule::capacity_counted:
        return "a limit on tokens needs a role that counts them: wrap its policy in Counting<Policy, Tokens> or "
               "KvTokens";
      case Rule::detached_leases_in_range: return "at most 16,777,216 leases may be detached at once";
    }
    return "";
  }
};

}  // namespace pdroute::inline v0
