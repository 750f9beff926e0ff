// SPDX-License-Identifier: Apache-2.0
// What a pool reports: the state of a member, and what an assignment changed.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/ejection.hpp>
#include <vector>

namespace pdroute::inline v0 {

/// One member of a role at one moment.
template <EndpointType Endpoint>
struct EndpointStatus {
  EndpointId<Endpoint> id;
  std::uint64_t incarnation = 0;
  Health health = Health::healthy;
  Intake intake = Intake::accepting;
  bool draining = false;
  EjectionPhase ejection = EjectionPhase::none;
  std::uint32_t in_flight = 0;
  std::optional<std::uint64_t> tokens = {};     ///< held by leases, if the role counts them
  std::optional<std::uint64_t> kv_tokens = {};  ///< held by leases, if the role counts them
  Capacity capacity = {};
  Outcomes outcomes = {};  ///< of the leases that have ended

  /// Whether it may be chosen, unless it is full.
  [[nodiscard]] bool eligible() const noexcept {
    return health == Health::healthy && intake == Intake::accepting && !draining && ejection != EjectionPhase::ejected;
  }

  /// No request runs here and none ever will: the endpoint may be switched off.
  [[nodiscard]] bool drained() const noexcept { return draining && in_flight == 0; }

  /// Whether it holds more than its capacity: a limit was lowered, or requests have grown by `Lease::progress`.
  [[nodiscard]] bool over_capacity() const noexcept {
    return (capacity.requests && in_flight > *capacity.requests) ||
           (capacity.tokens && tokens && *tokens > *capacity.tokens) ||
           (capacity.kv_tokens && kv_tokens && *kv_tokens > *capacity.kv_tokens);
  }
};

/// What `assign` did, by id: `added` and `kept` in the order of the list, `removed` in registration order. An endpoint
/// that came back as another incarnation is in `added` and in `removed`.
template <EndpointType Endpoint>
struct Assignment {
  std::vector<EndpointId<Endpoint>> added;
  std::vector<EndpointId<Endpoint>> removed;
  std::vector<EndpointId<Endpoint>> kept;
};

}  // namespace pdroute::inline v0
