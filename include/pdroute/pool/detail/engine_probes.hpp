// SPDX-License-Identifier: Apache-2.0
// EngineProbes: which rank of an engine whose ranks are all out is probed first, and which wait for it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <pdroute/pool/detail/engine_rows.hpp>
#include <pdroute/pool/detail/outlier_state.hpp>
#include <unordered_map>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The ranks that one role has of an engine are probed one after the other as long as none of them serves in full. All
/// wait for the one that is probed: if its probe works, they are probed, too; if it fails, they stay out as long as it
/// does. Next time another one is probed, because one rank may be broken for itself.
///
/// No rank waits for ever. A probe that has begun is decided within `max_ejection_time`. If none begins, because no
/// request finds its way there, the next rank is probed `base_ejection_time` later. A rank that drains, rests or is
/// unhealthy gets no request and holds up no other.
///
/// Endpoints that are the only ones of their engine in this role wait for nothing.
/// Needs the pool's lock. Complexity: O(members) for all calls together.
template <class Member>
class EngineProbes {
 public:
  EngineProbes(const std::vector<Member>& members, const EngineRows& rows, std::int64_t now) : now_(now) {
    if (!rows.any()) return;
    for (const Member& member : members) {
      if (member.draining || rows.of(member.slot->engine()) == nullptr) continue;
      Ranks& ranks = ranks_[member.slot->engine()];
      const OutlierState& state = member.ejection;
      ranks.any_in_full = ranks.any_in_full || member.serves_in_full();
      if (state.ejected()) ranks.times = std::max(ranks.times, state.times);
      if (!member.eligible()) continue;
      if (state.phase == EjectionPhase::probing) {
        const auto& admission = member.slot->admission();
        ranks.probed = true;
        ranks.probe_began = ranks.probe_began || admission.probed() || admission.state().failed != 0;
      } else if (is_due(state) && (ranks.next == nullptr || state.times < ranks.next->ejection.times)) {
        ranks.next = &member;
      }
    }
  }

  /// Whether a member whose time out is over is probed now.
  [[nodiscard]] bool may_probe(const Member& member, std::chrono::nanoseconds patience) const {
    const OutlierState& state = member.ejection;
    if (!is_due(state)) return false;
    const auto found = ranks_.find(member.slot->engine());
    if (found == ranks_.end() || found->second.any_in_full) return true;
    const Ranks& ranks = found->second;
    if (ranks.probed && (ranks.probe_began || now_ - state.until < patience.count())) return false;
    return ranks.next == nullptr || ranks.next == &member;
  }
  /// The times that ranks of the member's engine have been ejected, if they are out together.
  [[nodiscard]] std::uint32_t times(const Member& member) const {
    const auto found = ranks_.find(member.slot->engine());
    return found == ranks_.end() || found->second.any_in_full ? 0 : found->second.times;
  }
  /// A probe on the member has failed, and it is out again.
  void failed(const Member& member) {
    const auto found = ranks_.find(member.slot->engine());
    if (found == ranks_.end() || found->second.any_in_full) return;
    found->second.out_until = std::max(found->second.out_until, member.ejection.until);
    any_failed_ = true;
  }
  /// Ranks that are out stay out as long as the one of their engine whose probe has failed.
  void stay_out(std::vector<Member>& members) const {
    if (!any_failed_) return;
    for (Member& member : members) {
      if (!member.ejection.ejected()) continue;
      if (const auto found = ranks_.find(member.slot->engine()); found != ranks_.end())
        member.ejection.until = std::max(member.ejection.until, found->second.out_until);
    }
  }

 private:
  struct Ranks {
    bool any_in_full = false;
    bool probed = false;
    bool probe_began = false;
    std::uint32_t times = 0;       // the most often that one of those that are out has been ejected
    const Member* next = nullptr;  // of those whose time is over, the one that was probed least
    std::int64_t out_until = std::numeric_limits<std::int64_t>::min();  // because a probe has failed
  };
  [[nodiscard]] bool is_due(const OutlierState& state) const { return state.ejected() && now_ >= state.until; }

  std::unordered_map<std::uint64_t, Ranks> ranks_;
  std::int64_t now_;
  bool any_failed_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
