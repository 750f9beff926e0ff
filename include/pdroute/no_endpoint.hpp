// SPDX-License-Identifier: Apache-2.0
// Why nobody could be chosen.
#pragma once

#include <cstdint>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// The answer when no endpoint of a role could be had. Every endpoint of the role counts once, under the first of
/// these, in this order, that ruled it out: all counts together make `endpoints`.
struct NoEndpoint {
  Role role = Role::prefill;       ///< the role that had nobody
  std::uint32_t endpoints = 0;     ///< members of the role, in any state
  std::uint32_t unhealthy = 0;     ///< `Health::unhealthy`
  std::uint32_t paused = 0;        ///< healthy, but `Intake::paused`
  std::uint32_t draining = 0;      ///< draining, or removed while this choice was being made
  std::uint32_t ejected = 0;       ///< has failed too often in a row, see `OutlierDetection`
  std::uint32_t excluded = 0;      ///< in the request's `exclude`, unless that says it was overloaded
  std::uint32_t disallowed = 0;    ///< not in the request's `allowed`, or not accepted by its `accept`
  std::uint32_t incompatible = 0;  ///< not `compatible` with the endpoint chosen first (the last one that was tried)
  std::uint32_t full = 0;          ///< at its capacity, or it has turned this request away for lack of room
  std::uint32_t declined = 0;      ///< eligible, but the policy chose none

  /// Whether somebody could have been chosen with more room: the time to say "try again later" (HTTP 429) and not
  /// "nobody is there" (503).
  [[nodiscard]] constexpr bool overloaded() const noexcept { return full > 0; }

  /// Calls `visit(name, count)` for each of the counts above, zero or not.
  template <class Visit>
  constexpr void each_reason(Visit&& visit) const {
    visit("unhealthy", unhealthy);
    visit("paused", paused);
    visit("draining", draining);
    visit("ejected", ejected);
    visit("excluded", excluded);
    visit("disallowed", disallowed);
    visit("incompatible", incompatible);
    visit("full", full);
    visit("declined", declined);
  }

  /// "no decode endpoint: 2 unhealthy, 1 full of 3", leaving out what is zero.
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

  friend bool operator==(const NoEndpoint&, const NoEndpoint&) = default;
};

namespace detail {

/// What rules an endpoint out: the count of `NoEndpoint` under which it falls; null for nothing.
using Reason = std::uint32_t NoEndpoint::*;

/// As in `NoEndpoint::each_reason`; empty for nothing.
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
