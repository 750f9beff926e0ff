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
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Outlier detection (Envoy's term): an endpoint that fails is ejected, which means left out for a while. When its time
/// is over, a few requests probe it. If a probe works, the endpoint serves again; if one fails, it is ejected for
/// longer. Three rules eject: failures in a row, a share of failures over a window, and silence.
///
/// Failures are those of `Outcomes::failed()`. Back-pressure (HTTP 429), a rejected request and a client's cancel
/// neither count as failures nor end a row. Whether or not outlier detection is on, back-pressure keeps an endpoint
/// from looking idle: of the requests that would have gone there, 8 go elsewhere before one tries it, then 16, up to
/// 512, until a request is not pushed back.
///
/// An outcome counts for the period in which its request began. A row begins with a failure; from then on, only
/// requests that begin later add to it or end it. Likewise only requests that begin as probes decide about a probe.
/// Requests of before, and of earlier probes, decide nothing; their failures and cancels count neither for the share
/// nor for silence.
///
/// The failure that fills a row acts at once: the endpoint gets no new request, unless no other can take it. Everything
/// else, and the decision whether it may be left out, happens in `DisaggregatedRouter::advance`.
struct OutlierDetection {
  /// How many failures in a row eject an endpoint, at most 65,535; 0 switches outlier detection off. 5 as in Envoy:
  /// fewer would blame the endpoint for one bad request that is tried again and again.
  std::uint32_t consecutive_failures = 5;
  /// An endpoint is ejected if at least this share of the requests that have completed or failed on it since the window
  /// began have failed, from more than 0 to 1. Above what a healthy engine ever shows, and far below Envoy's and gRPC's
  /// 85 %, which an engine that fails every second request never reaches.
  double failure_share = 0.3;
  /// The share counts once this many requests have completed or failed since the window began. As many as it takes to
  /// tell 0.3 from chance.
  std::uint32_t failure_share_requests = 20;
  /// The length of the window for `failure_share`. 10 s as in Envoy and gRPC.
  std::chrono::nanoseconds window = std::chrono::seconds{10};
  /// Silence: an endpoint is ejected if for this long, with requests running all the time, none has completed, failed
  /// or given tokens, while `consecutive_failures` or more were cancelled; and at least ten times as many as other
  /// endpoints of the role had cancelled for each completed one. So an engine that hangs is found although clients give
  /// up before any time-out. Longer than the longest prefill, which is silent, too.
  std::chrono::nanoseconds silence = std::chrono::seconds{30};
  /// The length of the first ejection. Each further one is twice as long, until the endpoint has worked for
  /// `max_ejection_time`. Shorter than Envoy's 30 s, because trying again costs no more than `probes` requests.
  std::chrono::nanoseconds base_ejection_time = std::chrono::seconds{10};
  /// The longest ejection. 5 minutes as in Envoy.
  std::chrono::nanoseconds max_ejection_time = std::chrono::minutes{5};
  /// The largest share of members ejected at a time, from 0 to 1. Members that drain or are paused are not counted, and
  /// an ejected member that is unhealthy, too, does not use up the share. The number is rounded down, but is at least
  /// one in a role of two or more members. The last eligible member that is not being probed is never ejected. Envoy's
  /// tenth is meant for hundreds of endpoints; pools of LLM engines are small.
  double max_ejected_share = 0.5;
  /// How many requests may probe an endpoint at a time, from 1 to 1,023, once its time is over. A probe that was
  /// cancelled or rejected gives its place to another one, and one that was pushed back does so at the next `advance`.
  /// A probe works if it completes or gives tokens (see `Lease::progress`, `Lease::first_token`). A probe that fails
  /// stops those that have not begun. If `max_ejection_time` passes without a word since the first began, the endpoint
  /// is ejected again, for longer: silence proves nothing. There is no bound in panic, or if no other member is in full
  /// service.
  std::uint32_t probes = 1;
  /// Panic threshold (Envoy's term): if fewer than this share of a role's members are eligible and not being probed, no
  /// member is left out or held back for failing. The fault is then probably not theirs. Members that drain or are
  /// paused are not counted. Unhealthy ones stay out, see `fail_open_threshold`. From 0, which never panics, to 1; 0.5
  /// as in Envoy.
  double panic_threshold = 0.5;
  /// Fail open (Envoy's panic, for health): if fewer than this share of a role's members are healthy, unhealthy members
  /// serve, too, unless something else rules them out. The health checks are then more likely at fault than all the
  /// engines. Members that drain or are paused are not counted. From 0, which never fails open, to 1, with which no
  /// member is left out for its health. Works also if `consecutive_failures` is 0.
  double fail_open_threshold = 0;

  static constexpr std::uint32_t max_probes = 1023;                  ///< the highest value of `probes`
  static constexpr std::uint32_t max_consecutive_failures = 65'535;  ///< the highest value of `consecutive_failures`

  /// Whether outlier detection is on.
  [[nodiscard]] bool on() const noexcept { return consecutive_failures > 0; }

  /// What is wrong with the rules, if anything.
  [[nodiscard]] std::optional<ConfigError> check() const {
    const auto wrong = [](std::string_view what, const std::string& value) {
      return ConfigError{ConfigError::Rule::outlier_detection_in_range, std::string(what).append(" ").append(value)};
    };
    const auto ns = [](std::chrono::nanoseconds time) { return std::to_string(time.count()) + " ns"; };
    constexpr std::chrono::hours hundred_years = detail::longest_option;
    if (probes == 0 || probes > max_probes) return wrong("probes", std::to_string(probes));
    if (consecutive_failures > max_consecutive_failures)
      return wrong("consecutive_failures", std::to_string(consecutive_failures));
    if (!(0 < failure_share && failure_share <= 1)) return wrong("failure_share", detail::number_text(failure_share));
    if (window <= std::chrono::nanoseconds::zero() || window > hundred_years) return wrong("window", ns(window));
    if (silence <= std::chrono::nanoseconds::zero() || silence > hundred_years) return wrong("silence", ns(silence));
    if (base_ejection_time <= std::chrono::nanoseconds::zero())
      return wrong("base_ejection_time", ns(base_ejection_time));
    if (max_ejection_time < base_ejection_time)
      return wrong("base_ejection_time", ns(base_ejection_time) + " > max_ejection_time " + ns(max_ejection_time));
    if (max_ejection_time > detail::longest_option) return wrong("max_ejection_time", ns(max_ejection_time));
    if (!(0 <= max_ejected_share && max_ejected_share <= 1))
      return wrong("max_ejected_share", detail::number_text(max_ejected_share));
    if (!(0 <= panic_threshold && panic_threshold <= 1))
      return wrong("panic_threshold", detail::number_text(panic_threshold));
    if (!(0 <= fail_open_threshold && fail_open_threshold <= 1))
      return wrong("fail_open_threshold", detail::number_text(fail_open_threshold));
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
    return is_below(panic_threshold, eligible, members);
  }
  /// Whether unhealthy members serve when `healthy` of `members` are healthy.
  [[nodiscard]] bool fails_open(std::size_t healthy, std::size_t members) const noexcept {
    return is_below(fail_open_threshold, healthy, members);
  }
  /// The length of the `times`-th ejection in a row. Precondition: `times` > 0.
  [[nodiscard]] std::chrono::nanoseconds time_out(std::uint32_t times) const noexcept {
    std::chrono::nanoseconds time = base_ejection_time;
    for (std::uint32_t i = 1; i < times && time < max_ejection_time; ++i)
      time = time < max_ejection_time / 2 ? time * 2 : max_ejection_time;
    return std::min(time, max_ejection_time);
  }

 private:
  [[nodiscard]] static bool is_below(double share, std::size_t some, std::size_t members) noexcept {
    constexpr double rounding = 1e-9;
    return static_cast<double>(some) < share * static_cast<double>(members) - rounding;
  }
};

/// Where outlier detection has put an endpoint.
enum class EjectionPhase : std::uint8_t {
  none,     ///< in full service
  tripped,  ///< has failed too often in a row: gets a request only if no other can take it, until `advance` decides
  ejected,  ///< left out until its time is over
  spared,   ///< ejected, but serving because there is panic
  probing,  ///< serving `probes` requests until one has completed or failed; in panic, as many as it can hold
};

/// The phase as text: "none", "tripped", "ejected", "spared", "probing".
[[nodiscard]] constexpr std::string_view to_string(EjectionPhase phase) noexcept {
  switch (phase) {
    case EjectionPhase::none: return "none";
    case EjectionPhase::tripped: return "tripped";
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
