// SPDX-License-Identifier: Apache-2.0
// EndpointPool: the members of one role, which of them are eligible, and the snapshot that shows those.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/check_endpoints.hpp>
#include <pdroute/pool/detail/list_change.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/detail/membership.hpp>
#include <pdroute/pool/detail/role_move.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/role_change.hpp>
#include <pdroute/pool/slow_start.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <span>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// The endpoints of one role, copied from the caller's list. A new member is healthy, accepting, not draining and not
/// ejected, unless its type says otherwise (see `EndpointTraits`). A member that comes from the other role keeps its
/// health and intake.
///
/// A life of an endpoint that has an incarnation key is remembered while no list names it: at least as long as requests
/// run on it, and the latest 1,024 such lives, or as many as there ever were members, also after that. When a list
/// names the key again, the life goes on: its leases count, and its states, outlier detection, latency and sessions are
/// as they were. A life that drained still drains.
///
/// Thread safety: all members may be called from many threads at once. The caller's endpoints are copied and destroyed
/// outside the lock, so these functions may call the pool.
template <Role role, EndpointType Endpoint, LoadMetric Load = NoLoad>
class EndpointPool {
 public:
  using Slot = detail::Slot<role, Endpoint, Load>;  ///< what leases refer to
  using Snapshot = detail::Snapshot<Slot>;          ///< what policies choose from
  using IdView = EndpointIdView<Endpoint>;          ///< the id of an endpoint, cheap to pass
  using Options = typename Load::Options;           ///< of the load metric

  /// An empty pool. Outlier detection and slow start are off unless their rules are given. `router` is the mark in
  /// `EndpointKey`.
  explicit EndpointPool(Options options = {}, const OutlierDetection& rules = {.consecutive_failures = 0},
                        std::uint64_t router = 0, const SlowStart& slow_start = {})
      : membership_(options, rules, router, slow_start) {}

  /// Makes the members be exactly those of `list`, compared by id and, where the endpoint has one, incarnation key.
  ///
  /// A kept member keeps its life: its leases, its health, a drain in progress. Its description, and a capacity or
  /// weight that differs from what the last list said, are taken over; leases that run go on showing the endpoint as it
  /// was when they began. New members come after the kept ones in registration order. A removed member gets no new
  /// leases; those that run stay valid. An endpoint that has left for the other role comes back if the list names it.
  ///
  /// An entry that breaks a rule holds up no other: it is listed in `Assignment::refused`, and a member with its id
  /// stays as it was. Entries that repeat an earlier one count once. Error: every entry of a list is refused; then
  /// nothing has changed, because such a list is a fault and not a wish. Complexity: O(members + list).
  Result<Assignment<Endpoint>, ConfigError> assign(std::span<const Endpoint> list) {
    Assignment<Endpoint> report;
    auto listed = detail::read_endpoints<role, Endpoint, Load>(list, report.refused);
    if (listed.empty() && !report.refused.empty()) return std::move(report.refused.front());
    std::unordered_set<EndpointIdView<Endpoint>> untouched;
    for (const ConfigError& error : report.refused) {
      if (error.rule != ConfigError::Rule::id_not_empty)
        untouched.insert(pdroute::endpoint_id(list[error.endpoint->index]));
    }
    Change::apply(
        membership_, report, listed, [](const Members& /*members*/) { return true; },
        [&](const Member& member) { return untouched.contains(member.slot->id()); });
    return report;
  }
  /// Adds one endpoint. Error: a rule is broken, or a member has this id already. O(members).
  std::optional<ConfigError> add(const Endpoint& endpoint) { return put(endpoint, false); }
  /// Takes over the description, capacity and weight of a member, as `assign` does. With another incarnation key, it is
  /// a new life. Error: a rule is broken, or no member has this id. O(members).
  std::optional<ConfigError> update(const Endpoint& endpoint) { return put(endpoint, true); }
  /// Removes one endpoint, as `assign` with a list without it does. False: no member has this id. O(members).
  bool remove(IdView id) {
    return membership_.edit([&](Edit& edit, const Members& members) {
      const Member* const member = members.find(id);
      if (member == nullptr) return false;
      Change::depart(edit, *member);
      edit.next.remove(edit.next.find(id));
      return true;
    });
  }

  /// Sets whether the endpoint works. False: no member has this id, and nothing has changed. O(1) on average.
  bool set_health(IdView id, Health health) {
    bool found = false;
    membership_.update([&](Members& members) {
      Member* const member = members.find(id);
      found = member != nullptr;
      if (!found || member->health == health) return false;
      const SlowStart& slow = membership_.slow_start();
      if (slow.on() && health == Health::healthy && !members.lenience().fail_open) member->begin_slow_start(slow);
      member->health = health;
      return true;
    });
    return found;
  }

  /// Sets whether the endpoint takes new requests. A pause may have an end, a moment of the caller's clock: `advance`
  /// then ends it. Until then the endpoint counts as full. False: no member has this id. O(1) on average.
  bool set_intake(IdView id, Intake intake) { return set_intake_until(id, intake, Member::no_end); }
  /// Pauses the endpoint from now on for a time.
  template <class TimePoint>
  bool pause(IdView id, TimePoint now, std::chrono::nanoseconds time) {
    constexpr std::chrono::nanoseconds longest = std::chrono::hours{24 * 365 * 100};
    const auto length = std::clamp(time, std::chrono::nanoseconds::zero(), longest);
    return set_intake_until(id, Intake::paused, detail::nanoseconds_of(detail::in_range(now)) + length.count());
  }

  /// Refuses new leases for this life of the endpoint. Draining is final, unlike HAProxy's drain state: once this has
  /// returned, no new lease appears. Leases that run stay valid; `EndpointStatus::drained()` says when the last has
  /// ended. False: no member has this id. O(1) on average.
  bool drain(IdView id) {
    bool found = false;
    membership_.update_and_close([&](Members& members) -> Slot* {
      Member* const member = members.find(id);
      found = member != nullptr;
      if (found) member->left = false;  // so that no list and no change of role brings this life back
      return found && !std::exchange(member->draining, true) ? member->slot : nullptr;
    });
    return found;
  }

  /// Sets the limits of this life of the endpoint, at once. What is above a lowered limit stays; nothing is added until
  /// there is room. Returns what is wrong, if anything: no member has this id, or the capacity is out of range.
  std::optional<ConfigError> set_capacity(IdView id, const Capacity& capacity) {
    if (auto error = detail::check_capacity<Endpoint, Load>(id, capacity)) return error;
    std::optional<ConfigError> error = unknown(id);
    membership_.update([&](Members& members) {
      Member* const member = members.find(id);
      if (member == nullptr) return false;
      error.reset();
      member->capacity = capacity;
      member->slot->set_capacity(capacity);
      return false;
    });
    return error;
  }

  /// Does what `OutlierDetection` says is due at this moment of the caller's clock: ejects, begins probes, takes back.
  /// Returns the endpoints whose phase has changed. O(members).
  template <class TimePoint>
  std::vector<EjectionChange<Endpoint>> advance(TimePoint now) {
    std::vector<EjectionChange<Endpoint>> changes;
    const std::int64_t moment = detail::nanoseconds_of(now);
    membership_.update([&](Members& members) {
      const detail::Lenience lenience_before = members.lenience();
      std::vector<std::pair<EjectionPhase, detail::Reason>> before;
      before.reserve(members.size());
      changes.reserve(members.size());  // so that nothing can throw once something has changed
      for (const Member& member : members)
        before.emplace_back(member.ejection.phase, member.ruled_out(lenience_before));
      for (std::size_t i = 0; i < members.size(); ++i) members.at(i).end_pause(moment);
      members.advance(moment);
      members.bound_probes();
      const detail::Lenience lenience = members.lenience();
      bool eligible_changed = false;
      for (std::size_t i = 0; i < members.size(); ++i) {
        Member& member = members.at(i);
        if (before[i].first != EjectionPhase::none && member.ejection.phase == EjectionPhase::none)
          member.begin_slow_start(membership_.slow_start());
        member.advance_slow_start(membership_.slow_start(), moment);
        eligible_changed = eligible_changed || before[i].second != member.ruled_out(lenience);
        if (before[i].first != member.ejection.phase)
          changes.push_back({role, EndpointId<Endpoint>(member.slot->id()), member.phase(lenience.panic)});
      }
      return eligible_changed;
    });
    return changes;
  }

  /// Takes what an engine reports of itself, made at `made_at` and passed on at `now`; if `made_at` is later, it counts
  /// as `now`. Returns what is wrong, if anything: no member has this id, a figure is out of range, the role reads none
  /// of the figures, or the report is stale already. Then nothing has changed.
  template <class TimePoint>
  std::optional<ConfigError> report(IdView id, const EngineReport& report, TimePoint made_at, TimePoint now) {
    static_assert(std::is_base_of_v<EngineReports, Load>,
                  "pdroute: this role's policy reads no reports; give it a cost that does, such as ReportedRequests, "
                  "or count them by WithMetrics<Policy, EngineReports>");
    if (auto error = report.check()) return error;
    return membership_.read([&](const Members& members) -> std::optional<ConfigError> {
      const Member* const member = members.find(id);
      if (member == nullptr) return unknown(id);
      Slot& slot = *member->slot;
      const TimePoint moment = std::min(made_at, now);
      if (auto error = slot.EngineReports::template check_use<Load>(report, moment, now)) return error;
      slot.EngineReports::report(report, moment, now, EngineReports::Own::of(slot));
      return std::nullopt;
    });
  }

  /// Drains an endpoint that will play another role, unless it is the last eligible one here and `last` keeps it, or
  /// `fits(endpoint)` is false.
  template <class Fits>
  DepartingEndpoint<Endpoint> leave(IdView id, LastEndpoint last, const Fits& fits) {
    return detail::RoleMove<Membership>::leave(membership_, id, last, fits);
  }
  /// Adds an endpoint that has left another role: the life that it had here before, if its incarnation key says so, or
  /// else a new one. A draining member with the same id is removed. False: one with this id is not draining.
  bool join(const DepartingEndpoint<Endpoint>& departing) {
    auto listed = detail::read_endpoint<role, Endpoint, Load>(*departing.endpoint);
    return listed && detail::RoleMove<Membership>::join(membership_, departing, std::move(*listed));
  }
  /// Whether the endpoint's capacity and weight are in range for this role.
  [[nodiscard]] static bool fits(const Endpoint& endpoint) {
    return detail::read_endpoint<role, Endpoint, Load>(endpoint).has_value();
  }
  /// Whether the id is a member that is not draining.
  [[nodiscard]] bool active(IdView id) const {
    return membership_.read([id](const Members& members) {
      const Member* const member = members.find(id);
      return member != nullptr && !member->draining;
    });
  }
  /// Every member in registration order. Counts are read one after the other while requests go on.
  [[nodiscard]] std::vector<EndpointStatus<Endpoint>> endpoints() const {
    return membership_.read([](const Members& members) { return members.statuses(); });
  }
  /// The member of this id, if there is one. O(members).
  [[nodiscard]] std::optional<EndpointStatus<Endpoint>> endpoint(IdView id) const {
    return membership_.read([id](const Members& members) {
      const Member* const member = members.find(id);
      return member != nullptr ? std::optional{member->status(members.lenience())} : std::nullopt;
    });
  }

  /// Every member, what rules it out, and the snapshot of those that nothing rules out, all of one moment.
  struct View {
    std::vector<EndpointStatus<Endpoint>> members;  ///< every member
    std::vector<detail::Reason> ruled_out;          ///< by place in `members`; null for an eligible one
    std::shared_ptr<const Snapshot> snapshot;       ///< the eligible
  };
  /// The members and the snapshot of this moment.
  [[nodiscard]] View view() const {
    return membership_.read_with_snapshot([](const Members& members, const auto& snapshot) {
      return View{members.statuses(), members.ruled_out(), snapshot};
    });
  }
  /// A number that changes whenever the snapshot does.
  [[nodiscard]] std::uint64_t generation() const noexcept { return membership_.generation(); }
  /// The eligible members now.
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const {
    return membership_.read_with_snapshot([](const Members& /*members*/, const auto& snapshot) { return snapshot; });
  }

 private:
  using Membership = detail::Membership<role, Endpoint, Load>;
  using Members = typename Membership::Members;
  using Member = typename Membership::Member;
  using Edit = typename Membership::Edit;
  using Change = detail::ListChange<Membership>;
  template <class Change>
  bool set(IdView id, const Change& change) {
    bool found = false;
    membership_.update([&](Members& members) {
      Member* const member = members.find(id);
      return (found = member != nullptr) && change(*member);
    });
    return found;
  }
  bool set_intake_until(IdView id, Intake intake, std::int64_t until) {
    return set(id, [=](Member& member) {
      const bool had_end =
          std::exchange(member.paused_until, until) != Member::no_end;  // with an end it counts as full
      return std::exchange(member.intake, intake) != intake || had_end != (until != Member::no_end);
    });
  }
  /// Adds or updates one endpoint.
  std::optional<ConfigError> put(const Endpoint& endpoint, bool known) {
    auto listed = detail::read_endpoint<role, Endpoint, Load>(endpoint);
    return listed ? Change::put(membership_, std::move(*listed), known) : std::move(listed.error());
  }
  [[nodiscard]] static ConfigError unknown(IdView id) {
    return {ConfigError::Rule::id_known, detail::id_text<Endpoint>(id)};
  }
  Membership membership_;
};

}  // namespace v0
}  // namespace pdroute
