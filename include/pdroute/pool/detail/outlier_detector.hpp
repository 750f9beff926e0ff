// SPDX-License-Identifier: Apache-2.0
// OutlierDetector: decides which members of a role are ejected, probed, or serve again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/pool/outlier_detection.hpp>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What outlier detection remembers of one member. Times are nanoseconds of the caller's clock.
struct OutlierState {
  EjectionPhase phase = EjectionPhase::none;  // never `spared`, which depends on the others
  std::uint32_t times = 0;                    // ejections without a long enough good time between them
  std::int64_t until = 0;                     // the end of the ejection, or of a probe that no request has decided
  std::int64_t since = 0;                     // when it last returned to full service
  std::uint64_t completed = 0;                // completions counted when the first probe began
  std::uint64_t begun = 0;                    // leases begun ever, when probing began
  std::uint32_t others = 0;                   // upper bound on the leases in flight that began before the probe

  [[nodiscard]] bool ejected() const noexcept { return phase == EjectionPhase::ejected; }
};

/// One step of time for all members of a role.
///
///     phase    | what `advance` sees                               | next phase
///     ---------+---------------------------------------------------+------------------------------------------
///     none     | `consecutive_failures` failures in a row          | ejected, if `max_ejected_share` allows it and
///              |                                                   | another member is in full service
///     ejected  | its time is over                                  | probing: `probes` requests may begin
///     probing  | a probe has completed                             | none
///     probing  | a probe has failed                                | ejected, for longer
///     probing  | all probes were cancelled                         | probing: again `probes` requests may begin
///     probing  | `max_ejection_time` is over, no probe has failed  | none
///
/// A failing member that may not be ejected keeps serving; if it was being probed, its probes begin again. Endings of
/// leases from before the probes do not count until a probe has begun. From then on they count as those of probes.
///
/// `Member` has `ejection`, `slot`, `capacity`, `draining` and `serves_in_full()`. The limits of members that are
/// ejected or probed are due afterwards, see `Members::bound_probes`. Needs the pool's lock.
/// Complexity: O(members), and O(f log f) for f failing members.
template <class Member>
class OutlierDetector {
 public:
  OutlierDetector(const OutlierDetection& rules, std::vector<Member>& members, std::int64_t now)
      : rules_(rules), members_(members), now_(now) {}

  void advance() {
    std::size_t out = 0;
    std::size_t in_full = 0;
    std::vector<Failing> failing;
    for (Member& member : members_) {
      if (member.draining) continue;
      if (member.ejection.phase != EjectionPhase::none) advance(member);
      out += member.ejection.ejected() ? 1U : 0U;
      in_full += member.serves_in_full() ? 1U : 0U;
      const std::uint32_t row = member.slot->consecutive_failures();
      const bool probing = member.ejection.phase == EjectionPhase::probing;
      if (!member.ejection.ejected() && row >= (probing ? 1 : rules_.consecutive_failures))
        failing.push_back({&member, row});
    }
    // The longest rows of failures first; equal ones in registration order.
    std::sort(failing.begin(), failing.end(),
              [](const Failing& a, const Failing& b) { return a.row != b.row ? a.row > b.row : a.member < b.member; });
    for (const Failing& worst : failing) {
      const std::size_t in_full_here = worst.member->serves_in_full() ? 1 : 0;
      if (out < rules_.max_ejected(members_.size()) && in_full > in_full_here) {
        eject(*worst.member);
        ++out;
        in_full -= in_full_here;
      } else if (worst.member->ejection.phase == EjectionPhase::probing) {
        worst.member->slot->forget_failures();
        worst.member->slot->allow_probes(rules_.probes);
      }
    }
  }

 private:
  struct Failing {
    Member* member;
    std::uint32_t row;
  };

  void advance(Member& member) {
    OutlierState& state = member.ejection;
    auto& slot = *member.slot;
    // A clock that stepped back must not prolong an ejection.
    state.until = std::min<std::int64_t>(state.until, now_ + rules_.max_ejection_time.count());
    const std::uint64_t begun = slot.begun();
    const std::uint64_t completed = slot.outcomes().completed;
    if (state.ejected()) {
      if (now_ < state.until) return;
      state.phase = EjectionPhase::probing;
      state.until = now_ + rules_.max_ejection_time.count();
      state.begun = begun;
      state.completed = completed;
      state.others = slot.in_flight();
      slot.forget_failures();
      slot.allow_probes(rules_.probes);
      return;
    }
    state.others = std::min(state.others, slot.in_flight());
    if (begun == state.begun) {  // no probe has begun, so all endings are of leases from before it
      state.completed = completed;
      slot.forget_failures();
    }
    const bool failed = slot.consecutive_failures() > 0;
    if (completed > state.completed || (!failed && now_ >= state.until)) {
      state.phase = EjectionPhase::none;
      state.since = now_;
      slot.set_capacity(member.capacity);
    } else if (!failed && slot.in_flight() <= state.others) {  // all probes were cancelled, or none has begun
      slot.allow_probes(rules_.probes);
    }
  }

  void eject(Member& member) {
    OutlierState& state = member.ejection;
    if (state.phase == EjectionPhase::none && now_ - state.since > rules_.max_ejection_time.count()) state.times = 0;
    ++state.times;
    state.phase = EjectionPhase::ejected;
    state.until = now_ + rules_.time_out(state.times).count();
    member.slot->forget_failures();
    member.slot->allow_probes(0);
  }

  const OutlierDetection& rules_;
  std::vector<Member>& members_;
  std::int64_t now_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
