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
#include <pdroute/number_text.hpp>
#include <pdroute/pool/probation.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

namespace pdroute::inline v0 {

/// The rules of ejection, in Envoy's words outlier detection. An endpoint that fails so many times in a row is left
/// out; when its time is over, a few requests try it. If one of these completes, the endpoint serves again; if one
/// fails, it is out for longer. Time passes by `DisaggregatedRouter::advance`.
///
/// Failures are those of `Outcomes::failed()`. Back-pressure (HTTP 429) and a client's cancel say nothing bad about an
/// endpoint, and nothing good: they neither count nor end a row; a completion ends it.
struct Ejection {
  /// 5 as in Envoy: fewer would blame the endpoint for a bad request that is tried again and again. 0 ejects nobody.
  std::uint32_t failures_in_a_row = 5;
  /// The first time out; each further one is twice as long, until the endpoint has worked for `longest`. Shorter than
  /// Envoy's 30 s, because trying again costs no more than `probes` requests.
  std::chrono::nanoseconds first = std::chrono::seconds{10};
  std::chrono::nanoseconds longest = std::chrono::minutes{5};  ///< as in Envoy
  /// At most this share of a role's members is left out at a time, rounded down, but one if there are two or more, and
  /// never the last eligible one that is not itself being probed. Envoy's tenth is meant for hundreds; pools of LLM
  /// engines are small.
  double most_share = 0.5;
  /// How many requests may begin to try an endpoint that comes back: once its time is over, and again at a later
  /// `advance` if those have been cancelled. One that fails stops the others that have not begun. If `longest` passes
  /// and none has ended, or none has come, the endpoint serves again. What had begun before is no probe. Not a bound in
  /// panic, or if nobody else is eligible. At most 1,023.
  std::uint32_t probes = 1;
  /// Panic: if fewer than this share of a role's members are eligible and not being probed, nobody is left out or held
  /// back for failing. Then the fault is probably not theirs, or there is nobody to spare. `Health::unhealthy` stays as
  /// the caller says. 0.5 as in Envoy; 0 never panics.
  double panic_below = 0.5;

  [[nodiscard]] bool on() const noexcept { return failures_in_a_row > 0; }

  /// What is wrong with it, if anything.
  [[nodiscard]] std::optional<ConfigError> check() const {
    const auto wrong = [](std::string_view what, const std::string& value) {
      return ConfigError{ConfigError::Rule::ejection_in_range, std::string(what).append(" ").append(value)};
    };
    constexpr std::chrono::hours most{24 * 365 * 100};
    if (probes == 0 || probes > detail::Probation::most_probes) return wrong("probes", std::to_string(probes));
    if (first <= std::chrono::nanoseconds::zero()) return wrong("first", std::to_string(first.count()) + " ns");
    if (longest < first)
      return wrong("first", std::to_string(first.count()) + " ns > longest " + std::to_string(longest.count()) + " ns");
    if (longest > most) return wrong("longest", std::to_string(longest.count()) + " ns");
    if (!(0 <= most_share && most_share <= 1)) return wrong("most_share", detail::number_text(most_share));
    if (!(0 <= panic_below && panic_below <= 1)) return wrong("panic_below", detail::number_text(panic_below));
    return std::nullopt;
  }

  /// How many of so many members may be left out at a time.
  [[nodiscard]] std::size_t most_of(std::size_t members) const noexcept {
    constexpr double rounding = 1e-9;  // 0.29 of 100 are 29, though 0.29 * 100 is less
    const double share = most_share * static_cast<double>(members) + rounding;
    return members < 2 ? 0 : std::max<std::size_t>(1, static_cast<std::size_t>(share));
  }
  /// Whether so few eligible members that are not being probed are cause for panic.
  [[nodiscard]] bool panics(std::size_t eligible, std::size_t members) const noexcept {
    constexpr double rounding = 1e-9;
    return static_cast<double>(eligible) < panic_below * static_cast<double>(members) - rounding;
  }
  /// How long the `times`-th time out in a row is; `times` > 0.
  [[nodiscard]] std::chrono::nanoseconds time_out(std::uint32_t times) const noexcept {
    std::chrono::nanoseconds time = first;
    for (std::uint32_t i = 1; i < times && time < longest; ++i) time = time < longest / 2 ? time * 2 : longest;
    return std::min(time, longest);
  }
};

/// Where an endpoint stands.
enum class EjectionPhase : std::uint8_t {
  none,
  ejected,  ///< left out until its time is over
  spared,   ///< ejected, but serving: there is panic
  probing,  ///< serving `Ejection::probes` requests, until one has ended; in panic, as many as it can hold
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

}  // namespace pdroute::inline v0
