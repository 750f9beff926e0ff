// SPDX-License-Identifier: Apache-2.0
// OutlierDetector: decides which members of a role are ejected, probed, or serve again.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/detail/admission_state.hpp>
#include <pdroute/pool/detail/engine_probes.hpp>
#include <pdroute/pool/detail/engine_rows.hpp>
#include <pdroute/pool/detail/outlier_state.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// One step of time for all members of a role.
///
///     phase    | what `advance` sees                               | next phase
///     ---------+---------------------------------------------------+------------------------------------------
///     none     | a full row of failures, a high share of failures, | ejected, if `max_ejected_share` allows it and
///              | or silence                                        | another member is in full service
///     ejected  | its time is over                                  | probing: `probes` requests may begin
///     probing  | a probe has completed or given tokens             | none
///     probing  | a probe has failed, or `max_ejection_time` is     | ejected, for longer, under the same condition;
///              | over without a word since the first began         | else probing again
///
/// A failing member that may not be ejected serves on, and its counts begin again. A full row of an engine is one of
/// each of its endpoints, see `EngineRows`. Of the ranks of an engine, `EngineProbes` says which one is probed first.
///
/// `Member` has `ejection`, `slot`, `draining`, `counts()`, `eligible()` and `serves_in_full()`. The bounds of members
/// that are ejected or probed are due afterwards, see `Members::bound_probes`. Needs the pool's lock.
/// Complexity: O(members), and O(f log f) for f failing members.
template <class Member>
class OutlierDetector {
 public:
  /// `rows`: of all engines, also those in the other role.
  OutlierDetector(const OutlierDetection& rules, const EngineRows& rows, std::vector<Member>& members, std::int64_t now)
      : rules_(rules), rows_(rows), members_(members), now_(now) {}

  /// Watches the engines of members that have failed or are out.
  static void watch_engines(EngineRows& rows, const std::vector<Member>& members) {
    for (const Member& member : members) {
      const bool failed = member.slot->admission().state().row > member.ejection.row_before;
      if (!member.draining && (failed || member.ejection.phase != EjectionPhase::none))
        rows.watch(member.slot->engine());
    }
  }
  /// Adds the rows of members to those of the engines that are watched.
  static void add_rows(EngineRows& rows, const std::vector<Member>& members) {
    for (const Member& member : members) {
      if (!member.draining && rows.watches(member.slot->engine()))
        rows.add(member.slot->engine(), member.ejection, member.slot->admission().state().row,
                 member.slot->outcomes().completed);
    }
  }

  void advance() {
    std::size_t out = 0;
    std::size_t in_full = 0;
    std::size_t counted = 0;
    std::vector<Failing> failing;
    for (const Member& member : members_) add_endings(member);
    for (Member& member : members_) {
      if (member.draining) continue;
      const std::uint64_t evidence = evidence_against(member);
      if (evidence > 0) failing.push_back({&member, evidence});
    }
    EngineProbes<Member> probes(members_, rows_, now_);
    for (Member& member : members_) {
      if (member.draining) continue;
      if (probes.may_probe(member, rules_.base_ejection_time)) probe(member);
      counted += member.counts() ? 1U : 0U;
      out += member.ejection.ejected() && member.eligible() ? 1U : 0U;
      in_full += member.serves_in_full() ? 1U : 0U;
    }
    // The most evidence first; equal members in registration order.
    std::sort(failing.begin(), failing.end(), [](const Failing& a, const Failing& b) {
      return a.evidence != b.evidence ? a.evidence > b.evidence : a.member < b.member;
    });
    for (const Failing& worst : failing) {
      const std::size_t in_full_here = worst.member->serves_in_full() ? 1 : 0;
      if (out < rules_.max_ejected(counted) && in_full > in_full_here) {
        const bool probed = worst.member->ejection.phase == EjectionPhase::probing;
        eject(*worst.member, probed ? probes.times(*worst.member) : 0);
        if (probed) probes.failed(*worst.member);
        out += worst.member->eligible() ? 1U : 0U;
        in_full -= in_full_here;
      } else if (worst.member->ejection.phase == EjectionPhase::probing) {
        probe(*worst.member);
      } else {
        serve(*worst.member);
      }
    }
    probes.stay_out(members_);
  }

 private:
  struct Failing {
    Member* member;
    std::uint64_t evidence;
  };

  /// How requests have ended, and how many of the failures and of the cancels say something: requests from before the
  /// member was last taken back do not.
  struct Seen {
    Outcomes outcomes;
    std::uint64_t failed;
    std::uint64_t cancelled;

    /// Endings by which an endpoint shows that it lives.
    [[nodiscard]] std::uint64_t signs() const noexcept {
      return outcomes.completed + outcomes.failed() + outcomes.rejected + outcomes.overloaded;
    }
  };
  [[nodiscard]] static Seen seen_of(const Member& member) {
    const Outcomes outcomes = member.slot->outcomes();
    const auto late = member.slot->late();
    return {outcomes, growth(outcomes.failed(), late.failed), growth(outcomes.cancelled, late.cancelled)};
  }
  /// How far a count has grown. Counts are read one after the other, so one may seem to have fallen.
  [[nodiscard]] static std::uint64_t growth(std::uint64_t now, std::uint64_t before) noexcept {
    return now > before ? now - before : 0;
  }
  void add_endings(const Member& member) {
    const Outcomes outcomes = member.slot->outcomes();
    all_completed_ += outcomes.completed;
    all_cancelled_ += outcomes.cancelled;
  }

  /// Takes the member on, as time has passed. Returns how much speaks for its ejection; zero: nothing does.
  [[nodiscard]] std::uint64_t evidence_against(Member& member) {
    OutlierState& state = member.ejection;
    auto& slot = *member.slot;
    slot.admit([&](auto& admission) { admission.step(slot.unmarked_run()); });
    // A clock that stepped back must not prolong anything.
    state.until = std::min<std::int64_t>(state.until, now_ + rules_.max_ejection_time.count());
    state.since = std::min(state.since, now_);
    state.window_begin = std::min(state.window_begin, now_);
    state.last_sign = std::min(state.last_sign, now_);
    const AdmissionState gate = slot.admission().state();
    const std::uint64_t row_of_engine = this->row_of_engine(slot.engine());
    follow_engine(member);
    switch (state.phase) {
      case EjectionPhase::ejected: return 0;
      case EjectionPhase::probing:
        if (gate.proved != 0) {
          state.phase = EjectionPhase::none;
          state.since = now_;
          serve(member);
          return 0;
        }
        if (!slot.admission().probed()) state.until = now_ + rules_.max_ejection_time.count();
        return gate.failed != 0 || now_ >= state.until ? 1 : 0;
      default: break;
    }
    const Seen seen = seen_of(member);
    if (!state.seen) begin_counts(member, seen);
    return std::max({row_of(gate), row_of_engine, failures(state, seen), silence(member, seen)});
  }
  [[nodiscard]] static std::uint64_t row_of(const AdmissionState& gate) { return gate.tripped() ? gate.row : 0; }
  /// The failures in a row of an engine over all its endpoints, if it has several and the row is full.
  [[nodiscard]] std::uint64_t row_of_engine(std::uint64_t engine) const {
    const EngineRows::Row* const sum = rows_.of(engine);
    return sum != nullptr && !sum->completed && sum->failures >= rules_.consecutive_failures ? sum->failures : 0;
  }
  /// If the engine has completed a request, its row begins anew. If it has not failed, what it has completed says
  /// nothing of failures to come.
  void follow_engine(Member& member) const {
    const EngineRows::Row* const sum = rows_.of(member.slot->engine());
    const bool completed = sum != nullptr && sum->completed;
    if (!completed && rows_.watches(member.slot->engine())) return;
    // In this order: a request that completes in between is found by the next step of time.
    member.ejection.completed_before = member.slot->outcomes().completed;
    const std::uint64_t row = member.slot->admission().state().row;
    member.ejection.row_before = completed ? row : std::min(member.ejection.row_before, row);
  }
  /// The failures of the window, if their share is too high.
  [[nodiscard]] std::uint64_t failures(OutlierState& state, const Seen& seen) const {
    const std::uint64_t failed = growth(seen.failed, state.failed);
    const std::uint64_t ended = failed + growth(seen.outcomes.completed, state.completed);
    constexpr double rounding = 1e-9;  // 6 of 20 are 0.3, though 0.3 * 20 may be more than 6
    if (ended >= rules_.failure_share_requests && failed > 0 &&
        static_cast<double>(failed) >= rules_.failure_share * static_cast<double>(ended) - rounding)
      return failed;
    if (now_ - state.window_begin >= rules_.window.count()) {
      state.window_begin = now_;
      state.failed = seen.failed;
      state.completed = seen.outcomes.completed;
    }
    return 0;
  }
  /// The requests that were cancelled during a silence that is too long.
  [[nodiscard]] std::uint64_t silence(Member& member, const Seen& seen) const {
    OutlierState& state = member.ejection;
    const bool tokens = member.slot->take_sign_of_tokens();
    const std::uint64_t cancelled = growth(seen.cancelled, state.cancelled);
    const bool idle = member.slot->in_flight() == 0 && seen.outcomes.cancelled == state.all_cancelled;
    if (tokens || seen.signs() != state.signs || idle) {
      begin_silence(state, seen);
      return 0;
    }
    const std::uint64_t others_completed = growth(all_completed_, seen.outcomes.completed);
    const std::uint64_t others_cancelled = growth(all_cancelled_, seen.outcomes.cancelled);
    const bool hangs = now_ - state.last_sign >= rules_.silence.count() && cancelled >= rules_.consecutive_failures &&
                       cancelled * others_completed >= 10 * others_cancelled && others_completed > 0;
    return hangs ? cancelled : 0;
  }
  void begin_silence(OutlierState& state, const Seen& seen) const {
    state.last_sign = now_;
    state.signs = seen.signs();
    state.cancelled = seen.cancelled;
    state.all_cancelled = seen.outcomes.cancelled;
  }
  void begin_counts(Member& member, const Seen& seen) const {
    OutlierState& state = member.ejection;
    state.seen = true;
    state.window_begin = now_;
    state.failed = seen.failed;
    state.completed = seen.outcomes.completed;
    begin_silence(state, seen);
  }

  void serve(Member& member) const {
    member.slot->admit([&](auto& admission) { admission.serve(member.slot->unmarked_run()); });
    member.ejection.row_before = 0;
    begin_counts(member, seen_of(member));
  }
  void probe(Member& member) const {
    member.ejection.phase = EjectionPhase::probing;
    member.ejection.until = now_ + rules_.max_ejection_time.count();
    member.slot->admit([&](auto& admission) { admission.probe(rules_.probes); });
  }
  /// `times`: how often other ranks have been ejected that are out together with it.
  void eject(Member& member, std::uint32_t times) const {
    OutlierState& state = member.ejection;
    state.times = std::max(state.times, times);
    if (state.phase == EjectionPhase::none && now_ - state.since > rules_.max_ejection_time.count()) state.times = 0;
    ++state.times;
    state.phase = EjectionPhase::ejected;
    state.until = now_ + rules_.time_out(state.times).count();
    state.row_before = 0;
    member.slot->admit([](auto& admission) { admission.hold(); });
  }

  const OutlierDetection& rules_;
  const EngineRows& rows_;
  std::vector<Member>& members_;
  std::int64_t now_;
  std::uint64_t all_completed_ = 0;
  std::uint64_t all_cancelled_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
