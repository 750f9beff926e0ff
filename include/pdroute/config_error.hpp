// SPDX-License-Identifier: Apache-2.0
// ConfigError: which rule a configuration broke, and by which value.
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

/// Why a configuration was refused. The functions that take a configuration return it; nothing has changed then.
struct ConfigError {
  /// The rules of all configurations. `to_string` gives each as a sentence.
  enum class Rule : std::uint8_t {
    id_not_empty,                ///< an endpoint's id is not empty text
    id_unique,                   ///< no two endpoints of a role have the same id
    id_known,                    ///< the id names an endpoint of the role
    window_in_range,             ///< length of a `RateWindow`
    decay_in_range,              ///< `EwmaOptions::decay`
    stale_after_in_range,        ///< `EngineReports::Options::stale_after`
    kv_cache_in_range,           ///< `EngineReport::kv_cache`
    weight_in_range,             ///< a weight of a `WeightedSum`
    endpoint_weight_in_range,    ///< the weight of an endpoint, see `EndpointTraits`
    load_bound_in_range,         ///< the bound of a `RendezvousPolicy`
    capacity_in_range,           ///< a limit of a `Capacity`
    capacity_counted,            ///< a limit of a `Capacity` is on a quantity that the role counts
    detached_leases_in_range,    ///< the number of leases that may be detached at once
    outlier_detection_in_range,  ///< the members of `OutlierDetection`
    slow_start_in_range,         ///< the members of `SlowStart`
    sessions_in_range,           ///< `SessionTable::Options::max_bindings`
    idle_in_range,               ///< `SessionTable::Options::idle`
    session_table_given,         ///< a `SessionAffinityPolicy` has a session table
    report_read,                 ///< an `EngineReport` holds a figure that its role reads
    report_fresh,                ///< an `EngineReport` is not older than `EngineReports::Options::stale_after`
    report_limits_in_range,      ///< the limits in `EngineReports::Options`
  };

  /// Where an endpoint stands in the lists that were given.
  struct Place {
    Role role;          ///< the role that the list is for
    std::size_t index;  ///< its index in that list, counted from 0
    /// Equal if all members are equal.
    friend bool operator==(const Place&, const Place&) = default;
  };

  Rule rule;                           ///< the rule that was broken
  std::string value;                   ///< the value that broke it, as text
  std::optional<Place> endpoint = {};  ///< the endpoint at fault, if a list was given

  /// The rule as a sentence and the value, such as "an id must be unique within its role: d0". Allocates.
  [[nodiscard]] std::string text() const;
};

/// The rule as a sentence. The text has static storage.
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
    case ConfigError::Rule::endpoint_weight_in_range: return "an endpoint's weight must be an integer from 0 to 10,000";
    case ConfigError::Rule::load_bound_in_range: return "a bound on load must be a number from 1 to 1,000,000";
    case ConfigError::Rule::capacity_in_range:
      return "a capacity must be at least 1, and for requests at most 4,194,303; leave it out for no limit";
    case ConfigError::Rule::capacity_counted:
      return "a limit needs a role that counts what it limits: wrap its policy in WithMetrics<Policy, Tokens> or "
             "KvTokens, or EngineLoad for limits of an engine; or give no such limit in EndpointTraits";
    case ConfigError::Rule::outlier_detection_in_range:
      return "outlier detection needs from 1 to 1,023 probes, 0 < base_ejection_time <= max_ejection_time <= a hundred "
             "years, and shares from 0 to 1";
    case ConfigError::Rule::slow_start_in_range:
      return "slow start's duration must be from 0 to 100 years, and its floor above 0 and at most 1";
    case ConfigError::Rule::detached_leases_in_range: return "at most 16,777,216 leases may be detached at once";
    case ConfigError::Rule::sessions_in_range:
      return "a session table needs room for at least 1 and at most 67,108,864 bindings";
    case ConfigError::Rule::idle_in_range:
      return "the time that a session may be idle must be longer than zero and at most a hundred years";
    case ConfigError::Rule::session_table_given:
      return "a SessionAffinityPolicy needs a session table: give it one as .sessions";
    case ConfigError::Rule::report_read: return "a report must hold a figure that a cost or a limit of its role reads";
    case ConfigError::Rule::report_fresh: return "a report must not be older than stale_after when it is passed on";
    case ConfigError::Rule::report_limits_in_range:
      return "a limit on reported requests must be at least 1, and one on KV usage above 0 and at most 1; leave it out "
             "for no limit";
  }
  return "";
}

inline std::string ConfigError::text() const {
  return std::string(to_string(rule)).append(": ").append(value);
}

}  // namespace v0
}  // namespace pdroute
