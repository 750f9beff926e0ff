// SPDX-License-Identifier: Apache-2.0
// RouterOptions: what a DisaggregatedRouter is created from.
#pragma once

#include <cstdint>
#include <pdroute/clock.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/slow_start.hpp>
#include <pdroute/role.hpp>
#include <span>

namespace pdroute {
inline namespace v0 {

/// What a router is created from. All fields have defaults.
template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
struct RouterOptions {
  /// The prefill endpoints; may be empty. `create` copies them, so the list must live until it returns.
  std::span<const Endpoint> prefill = {};
  /// The decode endpoints; may be empty. `create` copies them, so the list must live until it returns.
  std::span<const Endpoint> decode = {};
  PrefillPolicy prefill_policy{};  ///< chooses prefill endpoints
  DecodePolicy decode_policy{};    ///< chooses decode endpoints
  Clock clock{};                   ///< read once per `report`, and at most once per route, if the time is needed
  /// Seeds random draws, and says where rotations start. Same seed, clock and calls, same choices; so give each
  /// gateway in front of the same endpoints a seed of its own, such as its number.
  std::uint64_t seed = 0;
  /// The leg that `route` chooses first. `RouteFilter::compatible` then restricts the other one.
  Role first = Role::prefill;
  /// How many leases of each role `detach` can keep at once; 32 bytes each, at most 16,777,216.
  std::uint32_t detached_leases = 1024;
  /// Outlier detection: when endpoints that keep failing are ejected. `{}` means the default rules; off unless given.
  /// It needs `advance` to be called from time to time.
  OutlierDetection outlier_detection = {.consecutive_failures = 0};
  /// Slow start: how endpoints that join or come back are given requests step by step. Off unless a duration is given.
  /// It needs `advance` to be called from time to time.
  SlowStart slow_start = {};
};

}  // namespace v0
}  // namespace pdroute
