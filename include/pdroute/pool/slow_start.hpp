// SPDX-License-Identifier: Apache-2.0
// SlowStart: how an endpoint that joins, or comes back, is given requests step by step.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <string>

namespace pdroute {
inline namespace v0 {

/// Slow start (Envoy, HAProxy and nginx call it so): an endpoint that joins a role, or comes back to service, is cold
/// and has nothing in flight, so that policies that look for the least load would give it every request until it has
/// caught up. During slow start, only a share of the requests that the policy wants to give it get there; the others
/// are chosen for again, without it. The share rises with time, in a straight line from `floor` to 1. It holds for
/// every policy.
///
/// An endpoint is in slow start after it was added to a role that had members, took the other role, was listed again
/// after an absence, turned from unhealthy to healthy, or was taken back by outlier detection. Members of a role that
/// was empty, as at the router's creation, and endpoints that were paused are not.
///
/// No request is refused for it: if no other endpoint can take the request, this one does. Time passes with
/// `DisaggregatedRouter::advance` alone: the first call after the beginning starts the clock, and until the next one
/// the share stays as it is. So it needs `advance` to be called, about once a second.
struct SlowStart {
  /// How long it takes; 0 switches slow start off. 30 s suit engines that warm up within the first requests.
  std::chrono::nanoseconds duration = std::chrono::nanoseconds::zero();
  /// The share at the beginning, from more than 0 to 1, so that a few requests warm the endpoint up. 0.1 as in Envoy.
  double floor = 0.1;

  /// Whether slow start is on.
  [[nodiscard]] bool on() const noexcept { return duration > std::chrono::nanoseconds::zero(); }

  /// What is wrong with the options, if anything.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (duration < std::chrono::nanoseconds::zero() || duration > detail::longest_option)
      return ConfigError{ConfigError::Rule::slow_start_in_range,
                         "duration " + std::to_string(duration.count()) + " ns"};
    if (!(0 < floor && floor <= 1))
      return ConfigError{ConfigError::Rule::slow_start_in_range, "floor " + detail::number_text(floor)};
    return std::nullopt;
  }

  /// The share after so much time. Precondition: on.
  [[nodiscard]] double share_after(std::chrono::nanoseconds time) const noexcept {
    const double part = static_cast<double>(time.count()) / static_cast<double>(duration.count());
    return std::clamp(part, floor, 1.0);
  }
};

}  // namespace v0
}  // namespace pdroute
