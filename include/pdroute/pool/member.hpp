// SPDX-License-Identifier: Apache-2.0
// What a role's membership knows of one member, and what keeps that from being eligible.
#pragma once

#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/check_endpoints.hpp>
#include <pdroute/pool/ejection.hpp>
#include <pdroute/pool/ejector.hpp>
#include <pdroute/pool/endpoint_status.hpp>

namespace pdroute::inline v0::detail {

/// Guarded by the pool's lock.
template <class Slot>
struct Member {
  using Endpoint = typename Slot::Endpoint;

  Slot* slot;
  Health health = Health::healthy;
  Intake intake = Intake::accepting;
  bool draining = false;
  Capacity capacity = {};
  bool left = false;  // drained because it took the other role
  EjectionState ejection = {};

  /// `panic`: nobody is left out for failing.
  [[nodiscard]] Reason ruled_out(bool panic) const noexcept {
    if (health != Health::healthy) return &NoEndpoint::unhealthy;
    if (intake != Intake::accepting) return &NoEndpoint::paused;
    if (draining) return &NoEndpoint::draining;
    if (ejection.ejected() && !panic) return &NoEndpoint::ejected;
    return nullptr;
  }
  /// Eligible, and not on probation.
  [[nodiscard]] bool serves_in_full() const noexcept {
    return ruled_out(false) == nullptr && ejection.phase == EjectionPhase::none;
  }
  [[nodiscard]] EjectionPhase phase(bool panic) const noexcept {
    return ejection.ejected() && panic ? EjectionPhase::spared : ejection.phase;
  }

  [[nodiscard]] EndpointStatus<Endpoint> status(bool panic) const {
    EndpointStatus<Endpoint> status{.id = EndpointId<Endpoint>(slot->id()),
                                    .incarnation = slot->incarnation(),
                                    .health = health,
                                    .intake = intake,
                                    .draining = draining,
                                    .ejection = phase(panic),
                                    .in_flight = slot->in_flight(),
                                    .capacity = capacity,
                                    .outcomes = slot->outcomes()};
    if constexpr (counts<Tokens, Slot>) status.tokens = slot->tokens();
    if constexpr (counts<KvTokens, Slot>) status.kv_tokens = slot->kv_tokens();
    return status;
  }
};

}  // namespace pdroute::inline v0::detail
