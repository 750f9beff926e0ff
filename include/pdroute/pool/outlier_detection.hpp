// SPDX-License-Identifier: Apache-2.0
// OutlierDetection: when endpoints that keep failing are left out for a while, and how they come back.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/detail/probe_budget.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Outlier detection (Envoy's term): an endpoint that fails several times in a row is ejected, which means left out for
/// a while. When its time is over, a few requests probe it. If a probe completes, the endpoint serves again; if one
/// fails, it is ejected for longer. Time passes by `DisaggregatedRouter::advance`.
///
/// Failures are those of `Outcomes::failed()`. A completion ends a row of failures. Back-pressure (HTTP 429) and a
/// client's cancel say nothing about an endpoint: they neither count as failures nor end a row.
struct OutlierDetection {
  /// How many failures in a row eject an endpoint; 0 switches outlier detection off. 5 as in Envoy: fewer would blame
  /// the endpoint for one bad request that is tried again and again.
  std::uint32_t consecutive_failures = 5;
  /// The length of the first ejection. Each further one is twice as long, until the endpoint has worked for
  /// `max_ejection_time`. Shorter than Envoy's 30 s, because trying again costs no more than `probes` requests.
  std::chrono::nanoseconds base_ejection_time = std::chrono::seconds{10};
  /// The longest ejection. 5 minutes as in Envoy.
  std::chrono::nanoseconds max_ejection_time = std::chrono::minutes{5};
  /// The largest share of members ejected at a time, from 0 to 1. The number is rounded down, but is at least one in a
  /// role of two or more members. The last eligible member that is not being probed is never ejected. Envoy's tenth is
  /// meant for hundreds of endpoints; pools of LLM engines are small.
  double max_ejected_share = 0.5;
  /// How many requests may begin to probe an endpoint, from 1 to 1,023: once its time is over, and again at a later
  /// `advance` if all of them were cancelled. A probe that fails stops those that have not begun. If
  /// `max_ejection_time` passes without a completed or failed probe, the endpoint serves again. Requests that began
  /// before are no probes, and their endings do not count until a probe has begun. From then on, an ending of such a
  /// request counts as that of a probe. There is no bound in panic, or if no other member is in full service.
  std::uint32_t probes = 1;
  /// Panic threshold (Envoy's term): if fewer than this share of a role's members are eligible and not being probed, no
  /// member is left out or held back for failing. The fault is then probably not theirs. `Health::unhealthy` still
  /// counts. From 0, which never panics, to 1; 0.5 as in Envoy.
  double panic_threshold = 0.5;

  /// Whether outlier detection is on.
  [[nodiscard]] bool on() const noexcept { return consecutive_failures > 0; }

  /// What is wrong with the rules, if anything.
  [[nodiscard]] std::optional<ConfigError> check() const {
    const auto wrong = [](std::string_view what, const std::string& value) {
      return ConfigError{ConfigError::Rule::outlier_detection_in_range, std::string(what).append(" ").append(value)};
    };
    const auto ns = [](std::chrono::nanoseconds time) { return std::to_string(time.count()) + " ns"; };
    if (probes == 0 || probes > detail::ProbeBudget::max_probes) return wrong("probes", std::to_string(probes));
    if (base_ejection_time <= std::chrono::nanoseconds::zero())
      return wrong("base_ejection_time", ns(base_ejection_time));
    if (max_ejection_time < base_ejection_time)
      return wrong("base_ejection_time", ns(base_ejection_time) + " > max_ejection_time " + ns(max_ejection_time));
    if (max_ejection_time > detail::longest_option) return wrong("max_ejection_time", ns(max_ejection_time));
    if (!(0 <= max_ejected_share && max_ejected_share <= 1))
      return wrong("max_ejected_share", detail::number_text(max_ejected_share));
    if (!(0 <= panic_threshold && panic_threshold <= 1))
      return wrong("panic_threshold", detail::number_text(panic_threshold));
    return std::nullopt;
  }

  /// How many of `members` may be ejected at a time.
  [[nodiscard]] std::size_t max_ejected(std::size_t members) const noexcept {
    constexpr double rounding = 1e-9;  // 0.29 of 100 are 29, though 0.29 * 100 is less
    const double share = max_ejected_share * static_cast<double>(members) + rounding;
    return members < 2 ? 0 : std::max<std::size_t>(1, static_cast<std::size_t>(share));
  }
  /// Whether there is panic when `eligible` of `members` are eligible and not being probed.
  [[nodiscard]] bool panics(std::size_t eligible, std::size_t members) const noexcept {
    constexpr double rounding = 1e-9;
    return static_cast<double>(eligible) < panic_threshold * static_cast<double>(members) - rounding;
  }
  /// The length of the `times`-th ejection in a row. Precondition: `times` > 0.
  [[nodiscard]] std::chrono::nanoseconds time_out(std::uint32_t times) const noexcept {
    std::chrono::nanoseconds time = base_ejection_time;
    for (std::uint32_t i = 1; i < times && time < max_ejection_time; ++i)
      time = time < max_ejection_time / 2 ? time * 2 : max_ejection_time;
    return std::min(time, max_ejection_time);
  }
};

/// Where outlier detection has put an endpoint.
enum class EjectionPhase : std::uint8_t {
  none,     ///< in full service
  ejected,  ///< left out until its time is over
  spared,   ///< ejected, but serving because there is panic
  probing,  ///< serving `probes` requests until one has completed or failed; in panic, as many as it can hold
};

/// The phase as text: "none", "ejected", "spared", "probing".
[[nodiscard]] constexpr std::string_view to_string(EjectionPhase phase) noexcept {
  switch (phase) {
    case EjectionPhase::none: return "none";
    case EjectionPhase::ejected: return "ejected";
    case EjectionPhase::spared: return "spared";
    case EjectionPhase::probing: return "probing";
  }
  return "";
}

/// One endpoint whose phase `advance` has changed.
template <EndpointType Endpoint>
struct EjectionChange {
  Role role;                ///< of the pool that it is a member of
  EndpointId<Endpoint> id;  ///< its id
  EjectionPhase phase;      ///< the new phase; `none`: it serves again
};

}  // namespace v0
}  // namespace pdroute
