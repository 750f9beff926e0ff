// SPDX-License-Identifier: Apache-2.0
// Decides who of a role's members is ejected, probed, or serves again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/pool/ejection.hpp>
#include <vector>

namespace pdroute::inline v0::detail {

/// What the membership remembers of one member. Moments are nanoseconds of the caller's clock.
struct EjectionState {
  EjectionPhase phase = EjectionPhase::none;  // never `spared`, which depends on the others
  std::uint32_t times = 0;                    // out in a row
  std::int64_t until = 0;                     // if ejected
  std::int64_t since = 0;                     // when it last came to serve again
  std::uint64_t completed = 0;                // when the probe began

  [[nodiscard]] bool ejected() const noexcept { return phase == EjectionPhase::ejected; }
};

/// The limits of an endpoint that is on probation.
[[nodiscard]] inline Capacity probe_limited(const Capacity& capacity, const Ejection& rules) noexcept {
  Capacity limited = capacity;
  limited.requests = std::min(capacity.requests.value_or(Capacity::most_requests), rules.probes);
  return limited;
}

/// One step of time for all members of a role. `Member` has `ejection`, `slot`, `capacity`, `draining` and
/// `serves_in_full()`. Who is out or probed afterwards has yet to be given its limit. Needs the pool's lock.
template <class Member>
class Ejector {
 public:
  Ejector(const Ejection& rules, std::vector<Member>& members, std::int64_t now)
      : rules_(rules), members_(members), now_(now) {}

  void advance() {
    for (Member& member : members_) {
      if (member.ejection.phase != EjectionPhase::none) advance(member);
    }
    // The longest rows first; equal ones in registration order.
    std::vector<Failing> failing;
    for (Member& member : members_) {
      const std::uint32_t row = member.slot->failures_in_a_row();
      const bool probing = member.ejection.phase == EjectionPhase::probing;
      if (!member.draining && !member.ejection.ejected() && row >= (probing ? 1 : rules_.failures_in_a_row))
        failing.push_back({&member, row});
    }
    std::sort(failing.begin(), failing.end(),
              [](const Failing& a, const Failing& b) { return a.row != b.row ? a.row > b.row : a.member < b.member; });
    for (const Failing& worst : failing) {
      if (may_eject(*worst.member)) eject(*worst.member);
    }
  }

 private:
  struct Failing {
    Member* member;
    std::uint32_t row;
  };

  void advance(Member& member) {
    EjectionState& state = member.ejection;
    const std::uint64_t completed = member.slot->outcomes().completed;
    if (state.ejected()) {
      const std::int64_t longest = rules_.longest.count();
      state.until = std::min(state.until, now_ + longest);  // a clock that stepped back must not prolong it
      if (now_ < state.until) return;
      state.phase = EjectionPhase::probing;
      state.completed = completed;
      member.slot->forget_failures();
    } else if (completed > state.completed && member.slot->failures_in_a_row() == 0) {
      state.phase = EjectionPhase::none;
      state.since = now_;
      member.slot->set_capacity(member.capacity);
    }
  }

  [[nodiscard]] bool may_eject(const Member& member) const {
    std::size_t ejected = 0;
    std::size_t others = 0;
    for (const Member& each : members_) {
      ejected += each.ejection.ejected() ? 1U : 0U;
      others += &each != &member && each.serves_in_full() ? 1U : 0U;
    }
    return ejected < rules_.most_of(members_.size()) && others > 0;
  }

  void eject(Member& member) {
    EjectionState& state = member.ejection;
    if (state.phase == EjectionPhase::none && now_ - state.since > rules_.longest.count()) state.times = 0;
    ++state.times;
    state.phase = EjectionPhase::ejected;
    state.until = now_ + rules_.time_out(state.times).count();
    member.slot->forget_failures();
  }

  const Ejection& rules_;
  std::vector<Member>& members_;
  std::int64_t now_;
};

}  // namespace pdroute::inline v0::detail
