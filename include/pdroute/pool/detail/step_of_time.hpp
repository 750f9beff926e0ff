// SPDX-License-Identifier: Apache-2.0
// StepOfTime: what is due for the members of a role at a moment: ends of pauses, outlier detection, slow start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/engine_rows.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <tuple>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// See `EndpointPool::advance`.
/// Thread safety: many threads may take steps at once.
template <class Membership>
class StepOfTime {
 public:
  using Slot = typename Membership::Slot;
  using Members = typename Membership::Members;
  using Member = typename Membership::Member;
  using Endpoint = typename Slot::Endpoint;

  /// `rows`: of the engines that the members belong to.
  static std::vector<EjectionChange<Endpoint>> take(Membership& membership, std::int64_t now, const EngineRows& rows) {
    std::vector<EjectionChange<Endpoint>> changes;
    membership.update([&](Members& members) {
      const Lenience lenience_before = members.lenience();
      std::vector<std::tuple<EjectionPhase, Reason, std::optional<std::chrono::nanoseconds>>> before;
      before.reserve(members.size());
      changes.reserve(members.size());  // so that nothing can throw once something has changed
      for (const Member& member : members)
        before.emplace_back(member.ejection.phase, member.ruled_out(lenience_before), member.until());
      for (std::size_t i = 0; i < members.size(); ++i) members.at(i).end_pause(now);
      members.advance(now, rows);
      members.bound_probes();
      const Lenience lenience = members.lenience();
      bool changed = false;  // what a snapshot tells
      for (std::size_t i = 0; i < members.size(); ++i) {
        Member& member = members.at(i);
        const auto& [phase, reason, until] = before[i];
        if (phase != EjectionPhase::none && member.ejection.phase == EjectionPhase::none)
          member.begin_slow_start(membership.slow_start());
        member.advance_slow_start(membership.slow_start(), now);
        changed = changed || reason != member.ruled_out(lenience) || until != member.until();
        if (phase != member.ejection.phase)
          changes.push_back({Slot::role, EndpointId<Endpoint>(member.slot->id()), member.phase(lenience.panic)});
      }
      return changed;
    });
    return changes;
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
