// SPDX-License-Identifier: Apache-2.0
// Member: what a role's membership knows of one member, and what rules it out.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/limited_count.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/outlier_detector.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// One member of a role.
/// Thread safety: guarded by the pool's lock.
template <class Slot>
struct Member {
  using Endpoint = typename Slot::Endpoint;

  Slot* slot = nullptr;
  Health health = Health::healthy;
  Intake intake = Intake::accepting;
  bool draining = false;
  Capacity capacity = {};
  Capacity listed_capacity = {};       // as the last list gave it; `set_capacity` may have set another one since
  std::uint64_t weight = 1;            // as listed; zero: no new requests
  std::int64_t paused_until = no_end;  // while paused: when that ends, in nanoseconds of the caller's clock
  bool left = false;                   // drained because it took the other role
  std::uint32_t relisted = 0;          // new descriptions since the snapshot was last renewed for their sake
  OutlierState ejection = {};          // of outlier detection

  static constexpr std::int64_t no_end = std::numeric_limits<std::int64_t>::max();

  /// The first reason that rules this member out; null if it is eligible. In `panic` no member is left out for failing.
  [[nodiscard]] Reason ruled_out(bool panic) const noexcept {
    if (health != Health::healthy) return &NoEndpoint::unhealthy;
    if (intake != Intake::accepting) return paused_until != no_end ? &NoEndpoint::full : &NoEndpoint::paused;
    if (weight == 0) return &NoEndpoint::paused;
    if (draining) return &NoEndpoint::draining;
    if (ejection.ejected() && !panic) return &NoEndpoint::ejected;
    return nullptr;
  }
  /// Ends a pause whose time is over.
  void end_pause(std::int64_t now) noexcept {
    if (intake != Intake::paused || now < paused_until) return;
    intake = Intake::accepting;
    paused_until = no_end;
  }
  /// Whether it counts for shares of members: it neither drains nor rests by its own wish.
  [[nodiscard]] bool counts() const noexcept { return !draining && intake == Intake::accepting && weight > 0; }
  /// Eligible, as far as outlier detection does not matter.
  [[nodiscard]] bool eligible() const noexcept { return counts() && health == Health::healthy; }
  /// Eligible, and neither ejected nor probed.
  [[nodiscard]] bool serves_in_full() const noexcept { return eligible() && ejection.phase == EjectionPhase::none; }
  /// As reported: an ejected member serves while there is panic, and a member may have failed since the last `advance`.
  [[nodiscard]] EjectionPhase phase(bool panic) const noexcept {
    if (ejection.phase == EjectionPhase::none && slot->admission().state().tripped()) return EjectionPhase::tripped;
    return ejection.ejected() && panic ? EjectionPhase::spared : ejection.phase;
  }

  [[nodiscard]] EndpointStatus<Endpoint> status(bool panic) const {
    EndpointStatus<Endpoint> status;
    status.id = EndpointId<Endpoint>(slot->id());
    status.incarnation = slot->incarnation();
    status.key = slot->key();
    status.health = health;
    status.intake = intake;
    status.draining = draining;
    status.ejection = phase(panic);
    if (intake == Intake::paused && paused_until != no_end) status.until = std::chrono::nanoseconds{paused_until};
    if (ejection.ejected()) status.until = std::chrono::nanoseconds{ejection.until};
    status.in_flight = slot->in_flight();
    status.capacity = capacity;
    status.outcomes = slot->outcomes();
    LimitedQuantities::each([&]<QuantityRef quantity>() {
      if constexpr (counts_quantity<Slot, quantity>) status.*quantity.held = slot->LimitedCount<quantity>::sum();
    });
    return status;
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
