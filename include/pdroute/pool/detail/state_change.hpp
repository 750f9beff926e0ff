// SPDX-License-Identifier: Apache-2.0
// StateChange: sets the health, the intake or the drain of one endpoint, or of all endpoints of an engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/slow_start.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Each function takes `chosen(members, act)`, which calls `act(member)` for the members that are meant, and returns
/// how many they were. See `EndpointPool` for what the functions do.
/// Thread safety: all members may be called from many threads at once.
template <class Membership>
class StateChange {
 public:
  using Slot = typename Membership::Slot;
  using Members = typename Membership::Members;
  using Member = typename Membership::Member;

  template <class Chosen>
  static std::size_t health(Membership& membership, const Chosen& chosen, Health health) {
    std::optional<bool> served;  // whether unhealthy members did before the first of these changes
    return update(membership, chosen, [&](Members& members, Member& member) {
      if (member.health == health) return false;
      const SlowStart& slow = membership.slow_start();
      if (slow.on() && health == Health::healthy) {
        if (!served) served = members.lenience().fail_open;
        if (!*served) member.begin_slow_start(slow);
      }
      member.health = health;
      return true;
    });
  }
  /// `until`: when it accepts again, in nanoseconds of the caller's clock, and how long that is from now on; or
  /// `Member::no_end`.
  template <class Chosen>
  static std::size_t intake(Membership& membership, const Chosen& chosen, Intake intake, std::int64_t until,
                            std::int64_t length = 0) {
    return update(membership, chosen, [&](Members& /*members*/, Member& member) {
      member.paused_for = length;
      const bool had_end = std::exchange(member.paused_until, until) != Member::no_end;  // a pause then counts as full
      return std::exchange(member.intake, intake) != intake || had_end != (until != Member::no_end);
    });
  }
  template <class Chosen>
  static std::size_t drain(Membership& membership, const Chosen& chosen) {
    std::size_t count = 0;
    membership.update_and_close([&](Members& members) {
      std::vector<Slot*> closing;
      chosen(members, [&](Member& /*member*/) { ++count; });
      closing.reserve(count);  // so that nothing can throw once something has changed
      chosen(members, [&](Member& member) {
        member.left = false;  // so that no list and no change of role brings this life back
        if (!std::exchange(member.draining, true)) closing.push_back(member.slot);
      });
      return closing;
    });
    return count;
  }

 private:
  template <class Chosen, class Change>
  static std::size_t update(Membership& membership, const Chosen& chosen, const Change& change) {
    std::size_t count = 0;
    membership.update([&](Members& members) {
      bool changed = false;
      chosen(members, [&](Member& member) {
        ++count;
        changed = change(members, member) || changed;
      });
      return changed;
    });
    return count;
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
