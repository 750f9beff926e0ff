// SPDX-License-Identifier: Apache-2.0
// When endpoints that keep failing are left out for a while, and how they come back.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/detail/probe_budget.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// The rules of ejection, in Envoy's words outlier detection. An endpoint that fails so many times in a row is left
/// out; when its time is over, a few requests try it. If one of these completes, the endpoint serves again; if one
/// fails, it is out for longer. Time passes by `DisaggregatedRouter::advance`.
///
/// Failures are those of `Outcomes::failed()`. Back-pressure (HTTP 429) and a client's cancel say nothing bad about an
/// endpoint, and nothing good: they neither count nor end a row; a completion ends it.
struct OutlierDetection {
  /// 5 as in Envoy: fewer would blame the endpoint for a bad request that is tried again and again. 0 ejects nobody.
  std::uint32_t consecutive_failures = 5;
  /// The first time out; each further one is twice as long, until the endpoint has worked for `max_ejection_time`. Shorter than
  /// Envoy's 30 s, because trying again costs no more than `probes` requests.
  std::chrono::nanoseconds base_ejection_time = std::chrono::seconds{10};
  std::chrono::nanoseconds max_ejection_time = std::chrono::minutes{5};  ///< as in Envoy
  /// At most this share of a role's members is left out at a time, rounded down, but one if there are two or more, and
  /// never the last eligible one that is not itself being probed. Envoy's tenth is meant for hundreds; pools of LLM
  /// engines are small.
  double max_ejected_share = 0.5;
  /// How many requests may begin to try an endpoint that comes back: once its time is over, and again at a later
  /// `advance` if those have been cancelled. One that fails stops the others that have not begun. If `max_ejection_time` passes
  /// and none has ended, or none has come, the endpoint serves again. What had begun before is no probe. Not a bound in
  /// panic, or if nobody else is eligible. At most 1,023.
  std::uint32_t probes = 1;
  /// Panic: if fewer than this share of a role's members are eligible and not being probed, nobody is left out or held
  /// back for failing. Then the fault is probably not theirs, or there is nobody to spare. `Health::unhealthy` stays as
  /// the caller says. 0.5 as in Envoy; 0 never panics.
  double panic_threshold = 0.5;

  [[nodiscard]] bool on() const noexcept { return consecutive_failures > 0; }

  /// What is wrong with it, if anything.
  [[nodiscard]] std::optional<ConfigError> check() const {
    const auto wrong = [](std::string_view what, const std::string& value) {
      return ConfigError{ConfigError::Rule::outlier_detection_in_range, std::string(what).append(" ").append(value)};
    };
    const auto ns = [](std::chrono::nanoseconds time) { return std::to_string(time.count()) + " ns"; };
    constexpr std::chrono::hours hundred_years{24 * 365 * 100};
    if (probes == 0 || probes > detail::ProbeBudget::max_probes) return wrong("probes", std::to_string(probes));
    if (base_ejection_time <= std::chrono::nanoseconds::zero())
      return wrong("base_ejection_time", ns(base_ejection_time));
    if (max_ejection_time < base_ejection_time)
      return wrong("base_ejection_time", ns(base_ejection_time) + " > max_ejection_time " + ns(max_ejection_time));
    if (max_ejection_time > hundred_years) return wrong("max_ejection_time", ns(max_ejection_time));
    if (!(0 <= max_ejected_share && max_ejected_share <= 1))
      return wrong("max_ejected_share", detail::number_text(max_ejected_share));
    if (!(0 <= panic_threshold && panic_threshold <= 1))
      return wrong("panic_threshold", detail::number_text(panic_threshold));
    return std::nullopt;
  }

  /// How many of so many members may be left out at a time.
  [[nodiscard]] std::size_t max_ejected(std::size_t members) const noexcept {
    constexpr double rounding = 1e-9;  // 0.29 of 100 are 29, though 0.29 * 100 is less
    const double share = max_ejected_share * static_cast<double>(members) + rounding;
    return members < 2 ? 0 : std::max<std::size_t>(1, static_cast<std::size_t>(share));
  }
  /// Whether so few eligible members that are not being probed are cause for panic.
  [[nodiscard]] bool panics(std::size_t eligible, std::size_t members) const noexcept {
    constexpr double rounding = 1e-9;
    return static_cast<double>(eligible) < panic_threshold * static_cast<double>(members) - rounding;
  }
  /// How long the `times`-th time out in a row is; `times` > 0.
  [[nodiscard]] std::chrono::nanoseconds time_out(std::uint32_t times) const noexcept {
    std::chrono::nanoseconds time = base_ejection_time;
    for (std::uint32_t i = 1; i < times && time < max_ejection_time; ++i)
      time = time < max_ejection_time / 2 ? time * 2 : max_ejection_time;
    return std::min(time, max_ejection_time);
  }
};

/// Where an endpoint stands.
enum class EjectionPhase : std::uint8_t {
  none,
  ejected,  ///< left out until its time is over
  spared,   ///< ejected, but serving: there is panic
  probing,  ///< serving `OutlierDetection::probes` requests, until one has ended; in panic, as many as it can hold
};

[[nodiscard]] constexpr std::string_view to_string(EjectionPhase phase) noexcept {
  switch (phase) {
    case EjectionPhase::none: return "none";
    case EjectionPhase::ejected: return "ejected";
    case EjectionPhase::spared: return "spared";
    case EjectionPhase::probing: return "probing";
  }
  return "";
}

/// An endpoint that has been ejected, is being probed, or serves again: `none`.
template <EndpointType Endpoint>
struct EjectionChange {
  Role role;
  EndpointId<Endpoint> id;
  EjectionPhase phase;
};

}  // namespace v0
}  // namespace pdroute
