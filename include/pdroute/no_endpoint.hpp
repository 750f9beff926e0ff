// SPDX-License-Identifier: Apache-2.0
// NoEndpoint: why no endpoint could be chosen, counted by reason.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Returned when no endpoint of a role could be chosen. Each endpoint of the role counts once, under the first reason
/// that ruled it out, in the order of the members below. Two exceptions: an endpoint that the request excludes as
/// overloaded counts as `full` (or `too_large`), and an endpoint that takes bound sessions only is not `bound_only` for
/// a request whose session is bound to it. The counts from `unhealthy` to `declined` add up to `endpoints`.
///
/// `full` are endpoints that may have room a little later: those at their capacity or at a limit on what engines
/// report, paused for a time, probed by as many requests as may, or passed over because they have pushed back.
struct NoEndpoint {
  Role role = Role::prefill;       ///< the role without an endpoint for the request
  std::uint32_t endpoints = 0;     ///< number of members of the role, in any state
  std::uint32_t unhealthy = 0;     ///< `Health::unhealthy`
  std::uint32_t paused = 0;        ///< healthy, but `Intake::paused` without an end, or listed with weight 0
  std::uint32_t draining = 0;      ///< draining, or removed while this choice was being made
  std::uint32_t ejected = 0;       ///< ejected after consecutive failures, see `OutlierDetection`
  std::uint32_t bound_only = 0;    ///< `Intake::bound_only`, and the request's session is not bound to it
  std::uint32_t excluded = 0;      ///< in the request's `exclude`, unless listed there as overloaded
  std::uint32_t disallowed = 0;    ///< not in the request's `allowed`, or not accepted by its `accept`
  std::uint32_t incompatible = 0;  ///< not `compatible` with the first leg's endpoint that was tried last
  std::uint32_t too_large = 0;     ///< could not hold the request even if it were idle
  std::uint32_t full = 0;          ///< without room for now, see above
  std::uint32_t declined = 0;      ///< eligible and with room, but the policy chose none
  /// When the first of those that are ejected or paused for a time may be tried again, since the epoch of the router's
  /// clock. None if there is no such endpoint. Others may be back sooner. A pause that was set again may last longer,
  /// because many such changes in a row must not cost one snapshot each; `EndpointStatus::until` is exact.
  std::optional<std::chrono::nanoseconds> until = {};

  /// Whether more room would have helped, because at least one endpoint was full. Then answer "try again later" (HTTP
  /// 429) and not "service unavailable" (503).
  [[nodiscard]] constexpr bool overloaded() const noexcept { return full > 0; }
  /// Whether the request is at fault: it demands more than each member of the role may hold, so no retry can help. Then
  /// answer "content too large" (HTTP 413).
  [[nodiscard]] constexpr bool too_large_for_all() const noexcept { return too_large > 0 && too_large == endpoints; }

  /// Calls `visit(name, count)` for each of the counts from `unhealthy` to `declined`, in that order, zero or not.
  template <class Visit>
  constexpr void each_reason(Visit&& visit) const {
    visit("unhealthy", unhealthy);
    visit("paused", paused);
    visit("draining", draining);
    visit("ejected", ejected);
    visit("bound_only", bound_only);
    visit("excluded", excluded);
    visit("disallowed", disallowed);
    visit("incompatible", incompatible);
    visit("too_large", too_large);
    visit("full", full);
    visit("declined", declined);
  }

  /// Such as "no decode endpoint: 2 unhealthy, 1 full of 3". Counts of zero are left out. Allocates.
  [[nodiscard]] std::string text() const {
    std::string text = "no ";
    text.append(to_string(role)).append(" endpoint:");
    if (endpoints == 0) return text.append(" there are none");
    const char* separator = " ";
    each_reason([&](const char* name, std::uint32_t count) {
      if (count == 0) return;
      text.append(separator).append(std::to_string(count)).append(" ").append(name);
      separator = ", ";
    });
    return text.append(" of ").append(std::to_string(endpoints));
  }

  /// Equal if all members are equal.
  friend bool operator==(const NoEndpoint&, const NoEndpoint&) = default;
};

namespace detail {

/// The reason that rules an endpoint out, as a pointer to its count in `NoEndpoint`; null if nothing rules it out.
using Reason = std::uint32_t NoEndpoint::*;

/// The name of a reason, as `NoEndpoint::each_reason` gives it; empty for null.
[[nodiscard]] constexpr std::string_view name_of(Reason reason) {
  std::string_view found;
  if (reason == nullptr) return found;
  NoEndpoint one;
  one.*reason = 1;
  one.each_reason([&](std::string_view name, std::uint32_t count) {
    if (count > 0) found = name;
  });
  return found;
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
