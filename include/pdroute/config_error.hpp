// SPDX-License-Identifier: Apache-2.0
// Why a configuration was refused: the rule that was broken and the value that broke it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/detail/number_text.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Returned where configuration is given; nothing has changed then.
struct ConfigError {
  enum class Rule : std::uint8_t {
    id_not_empty,
    id_unique,
    id_known,
    window_in_range,
    decay_in_range,
    stale_after_in_range,
    kv_cache_in_range,
    weight_in_range,
    endpoint_weight_in_range,
    load_bound_in_range,
    capacity_in_range,
    capacity_counted,
    detached_leases_in_range,
    outlier_detection_in_range,
    sessions_in_range,
    idle_in_range,
    session_table_given,
  };

  /// One of the endpoints that were given: in the list of its role, the one at `index`, counted from 0.
  struct Place {
    Role role;
    std::size_t index;
    friend bool operator==(const Place&, const Place&) = default;
  };

  Rule rule;
  std::string value;                   ///< the offending value, as text
  std::optional<Place> endpoint = {};  ///< the one at fault, if a list was given

  /// "an id must be unique within its role: d0"
  [[nodiscard]] std::string text() const;
};

/// The rule as a sentence.
[[nodiscard]] constexpr std::string_view to_string(ConfigError::Rule rule) noexcept {
  switch (rule) {
    case ConfigError::Rule::id_not_empty: return "an endpoint's id must not be empty";
    case ConfigError::Rule::id_unique: return "an id must be unique within its role";
    case ConfigError::Rule::id_known: return "an id must name an endpoint of the role";
    case ConfigError::Rule::window_in_range:
      return "a window must be longer than zero and at most a hundred years long";
    case ConfigError::Rule::decay_in_range: return "a decay must be longer than zero and at most a hundred years long";
    case ConfigError::Rule::stale_after_in_range: return "a report must count for longer than zero";
    case ConfigError::Rule::kv_cache_in_range:
      return "a KV cache's usage must be from 0 to 1, and at least one token must fit";
    case ConfigError::Rule::weight_in_range: return "a weight must be a number, finite and not below zero";
    case ConfigError::Rule::endpoint_weight_in_range: return "an endpoint's weight must be an integer from 1 to 10,000";
    case ConfigError::Rule::load_bound_in_range: return "a bound on load must be a number from 1 to 1,000,000";
    case ConfigError::Rule::capacity_in_range:
      return "a capacity must be at least 1, and for requests at most 4,194,303; leave it out for no limit";
    case ConfigError::Rule::capacity_counted:
      return "a limit needs a role that counts what it limits: wrap its policy in WithMetrics<Policy, Tokens> or "
             "KvTokens, "
             "or give this role no such limit by EndpointTraits::capacity";
    case ConfigError::Rule::outlier_detection_in_range:
      return "outlier detection needs from 1 to 1,023 probes, 0 < base_ejection_time <= max_ejection_time <= a hundred "
             "years, and shares from 0 to 1";
    case ConfigError::Rule::detached_leases_in_range: return "at most 16,777,216 leases may be detached at once";
    case ConfigError::Rule::sessions_in_range:
      return "a session table needs room for at least 1 and at most 67,108,864 bindings";
    case ConfigError::Rule::idle_in_range:
      return "the time that a session may be idle must be longer than zero and at most a hundred years";
    case ConfigError::Rule::session_table_given:
      return "a SessionAffinityPolicy needs a session table: give it one as .sessions";
  }
  return "";
}

inline std::string ConfigError::text() const {
  return std::string(to_string(rule)).append(": ").append(value);
}

}  // namespace v0
}  // namespace pdroute
