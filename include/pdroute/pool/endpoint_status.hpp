// SPDX-License-Identifier: Apache-2.0
// EndpointStatus and Assignment: what a pool reports of a member, and of a new list of members.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/endpoint_key.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// One member of a role at one moment. `Holdings` tells what its leases hold together, as far as the role counts it.
template <EndpointType Endpoint>
struct EndpointStatus : Holdings {
  EndpointId<Endpoint> id;                       ///< as the caller named it
  std::uint64_t incarnation = 0;                 ///< the number of this life, unique within the role
  EndpointKey key = {};                          ///< names this life, for `Filter::exclude`
  Health health = Health::healthy;               ///< as `set_health` left it
  bool fail_open = false;                        ///< unhealthy, but not left out for it: too few members are healthy
  Intake intake = Intake::accepting;             ///< as `set_intake` left it
  bool draining = false;                         ///< final for this life
  EjectionPhase ejection = EjectionPhase::none;  ///< where outlier detection has put it
  /// When an ejection, or else an intake that was set for a time, is over, since the epoch of the router's clock.
  /// `advance` ends it then.
  std::optional<std::chrono::nanoseconds> until = {};
  double admitted_share = 1;    ///< of the requests that the policy gives it; below 1 in slow start, see `SlowStart`
  std::uint32_t in_flight = 0;  ///< leases that have not ended
  Capacity capacity = {};       ///< its limits
  Outcomes outcomes = {};       ///< of the leases that have ended

  /// Whether any request may choose it, unless it is full. A tripped endpoint is still chosen if no other can take a
  /// request. One that takes bound sessions only is not eligible, although requests of these sessions choose it.
  [[nodiscard]] bool eligible() const noexcept {
    return (health == Health::healthy || fail_open) && intake == Intake::accepting && !draining &&
           ejection != EjectionPhase::ejected && ejection != EjectionPhase::tripped;
  }

  /// Whether no request runs here and none ever will: the endpoint may be switched off.
  [[nodiscard]] bool drained() const noexcept { return draining && in_flight == 0; }

  /// Whether it holds more than its capacity: a limit was lowered, or requests have grown by `Lease::progress`.
  [[nodiscard]] bool over_capacity() const noexcept {
    bool over = capacity.requests && in_flight > *capacity.requests;
    LimitedQuantities::each([&]<QuantityRef quantity>() {
      const auto held = this->*quantity.held;
      const auto limit = capacity.*quantity.limit;
      over = over || (held && limit && *held > *limit);
    });
    return over;
  }
};

/// What `assign` did, by id: `added`, `kept` and `refused` in the order of the list, `removed` in registration order.
/// An endpoint that came back as another incarnation is in `added` and in `removed`.
template <EndpointType Endpoint>
struct Assignment {
  std::vector<EndpointId<Endpoint>> added;    ///< new lives, and lives that are back
  std::vector<EndpointId<Endpoint>> removed;  ///< take no new leases; those that run stay valid
  std::vector<EndpointId<Endpoint>> kept;     ///< members that stay, changed or not
  std::vector<EndpointId<Endpoint>> changed;  ///< of those kept: their description, capacity or weight is another one
  /// Of those kept: too many descriptions are still shown by running leases, so the new one is not taken yet. Name the
  /// endpoint again later.
  std::vector<EndpointId<Endpoint>> deferred;
  std::vector<ConfigError> refused;  ///< entries that break a rule; a member with that id stays as it was
};

}  // namespace v0
}  // namespace pdroute
