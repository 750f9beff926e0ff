// SPDX-License-Identifier: Apache-2.0
// Member: what a role's membership knows of one member, and what rules it out.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/limited_count.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/outlier_state.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/slow_start.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Which failings rule no member out at the moment, because too few members would be left.
struct Lenience {
  bool panic = false;      ///< ejected members serve
  bool fail_open = false;  ///< unhealthy members serve
};

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
  std::int64_t paused_until = no_end;  // unless accepting: when that ends, in nanoseconds of the caller's clock
  std::int64_t paused_for = 0;         // how long that was from the moment at which it was set
  bool left = false;                   // drained because it took the other role
  std::uint32_t relisted = 0;          // new descriptions since the snapshot was last renewed for their sake
  OutlierState ejection = {};          // of outlier detection
  bool slow_start = false;
  std::optional<std::int64_t> slow_since = {};  // when slow start began, in nanoseconds; none: with the next `advance`

  static constexpr std::int64_t no_end = std::numeric_limits<std::int64_t>::max();

  /// The first reason that rules this member out; null if it is eligible. If it takes bound sessions only, the reason
  /// is `bound_only`, and none but their requests may choose it.
  [[nodiscard]] Reason ruled_out(Lenience lenience) const noexcept {
    if (health != Health::healthy && !lenience.fail_open) return &NoEndpoint::unhealthy;
    if (intake == Intake::paused) return paused_until != no_end ? &NoEndpoint::full : &NoEndpoint::paused;
    if (weight == 0) return &NoEndpoint::paused;
    if (draining) return &NoEndpoint::draining;
    if (ejection.ejected() && !lenience.panic) return &NoEndpoint::ejected;
    return intake == Intake::bound_only ? &NoEndpoint::bound_only : nullptr;
  }
  /// Ends a pause, or a time for bound sessions only, that is over. A clock that stepped back does not prolong it.
  void end_pause(std::int64_t now) noexcept {
    if (intake == Intake::accepting || paused_until == no_end) return;
    paused_until = std::min(paused_until, now + paused_for);
    if (now < paused_until) return;
    intake = Intake::accepting;
    paused_until = no_end;
  }
  /// It joins a role or comes back to service.
  void begin_slow_start(const SlowStart& rules) noexcept {
    if (!rules.on()) return;
    slow_start = true;
    slow_since.reset();
    slot->admit_share(rules.share_after(std::chrono::nanoseconds::zero()));
  }
  /// Slow start goes on as time has passed. A clock that stepped back does not prolong it by more than its duration.
  void advance_slow_start(const SlowStart& rules, std::int64_t now) noexcept {
    if (!slow_start) return;
    slow_since = std::min(slow_since.value_or(now), now);
    const auto passed = static_cast<std::uint64_t>(now) - static_cast<std::uint64_t>(*slow_since);
    const auto duration = static_cast<std::uint64_t>(rules.duration.count());
    slow_start = passed < duration;
    slot->admit_share(slow_start ? rules.share_after(std::chrono::nanoseconds(passed)) : 1.0);
  }
  /// Whether it counts for shares of members: it neither drains nor rests by its own wish.
  [[nodiscard]] bool counts() const noexcept { return !draining && intake == Intake::accepting && weight > 0; }
  /// Eligible, as far as outlier detection does not matter.
  [[nodiscard]] bool eligible() const noexcept { return counts() && health == Health::healthy; }
  /// Eligible, and neither ejected nor probed.
  [[nodiscard]] bool serves_in_full() const noexcept { return eligible() && ejection.phase == EjectionPhase::none; }
  /// When an ejection, or an intake that was set for a time, is over: the later one of both. None if there is neither.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> until() const noexcept {
    std::optional<std::chrono::nanoseconds> last;
    if (intake != Intake::accepting && paused_until != no_end) last = std::chrono::nanoseconds{paused_until};
    if (const std::chrono::nanoseconds end{ejection.until}; ejection.ejected())
      last = std::max(last.value_or(end), end);
    return last;
  }
  /// As reported: an ejected member serves while there is panic, and a member may have failed since the last `advance`.
  [[nodiscard]] EjectionPhase phase(bool panic) const noexcept {
    if (ejection.phase == EjectionPhase::none && slot->admission().state().tripped()) return EjectionPhase::tripped;
    return ejection.ejected() && panic ? EjectionPhase::spared : ejection.phase;
  }

  [[nodiscard]] EndpointStatus<Endpoint> status(Lenience lenience) const {
    EndpointStatus<Endpoint> status;
    status.id = EndpointId<Endpoint>(slot->id());
    status.incarnation = slot->incarnation();
    status.key = slot->key();
    status.health = health;
    status.intake = intake;
    status.weight = static_cast<std::uint32_t>(weight);
    status.draining = draining;
    status.ejection = phase(lenience.panic);
    status.fail_open = health != Health::healthy && lenience.fail_open;
    status.until = until();
    status.admitted_share = slot->admitted_share();
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
