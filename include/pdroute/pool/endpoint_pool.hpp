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
#include <pdroute/load/engine_load.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/check_endpoints.hpp>
#include <pdroute/pool/detail/engine_rows.hpp>
#include <pdroute/pool/detail/list_change.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/detail/membership.hpp>
#include <pdroute/pool/detail/role_move.hpp>
#include <pdroute/pool/detail/state_change.hpp>
#include <pdroute/pool/detail/step_of_time.hpp>
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
  using Slot = detail::Slot<role, Endpoint, Load>;      ///< what leases refer to
  using Snapshot = detail::Snapshot<Slot>;              ///< what policies choose from
  using IdView = EndpointIdView<Endpoint>;              ///< the id of an endpoint, cheap to pass
  using InstanceView = EndpointInstanceView<Endpoint>;  ///< what names an engine, cheap to pass
  using Options = typename Load::Options;               ///< of the load metric

  /// An empty pool. Outlier detection and slow start are off unless their rules are given. `router` is the mark in
  /// `EndpointKey`. `engines` holds the sums of `EngineLoad`; pools of one router share it.
  explicit EndpointPool(Options options = {}, const OutlierDetection& rules = {.consecutive_failures = 0},
                        std::uint64_t router = 0, const SlowStart& slow_start = {},
                        std::shared_ptr<detail::EngineTable> engines = std::make_shared<detail::EngineTable>())
      : membership_(options, rules, router, slow_start, std::move(engines)) {}

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
  bool set_health(IdView id, Health health) { return State::health(membership_, one(id), health) > 0; }

  /// Sets whether the endpoint takes new requests. False: no member has this id. O(1) on average.
  bool set_intake(IdView id, Intake intake) { return State::intake(membership_, one(id), intake, Member::no_end) > 0; }
  /// Sets it for a time from now on; the first `advance` after that lets it accept again. Until then a paused endpoint
  /// counts as full. A clock that steps back does not prolong it. Precondition: not `Intake::accepting`.
  template <class TimePoint>
  bool set_intake(IdView id, Intake intake, TimePoint now, std::chrono::nanoseconds time) {
    return State::intake(membership_, one(id), intake, end_of(now, time), in_range(time)) > 0;
  }
  /// Refuses new leases for this life of the endpoint. Draining is final, unlike HAProxy's drain state: once this has
  /// returned, no new lease appears. Leases that run stay valid; `EndpointStatus::drained()` says when the last has
  /// ended. False: no member has this id. O(1) on average.
  bool drain(IdView id) { return State::drain(membership_, one(id)) > 0; }

  /// Sets the health of all endpoints of an engine at once. Returns how many there are; the next three do, too.
  /// O(members), or O(1) on average if the id names the engine.
  std::size_t set_engine_health(InstanceView instance, Health health) {
    return State::health(membership_, all_of(instance), health);
  }
  /// Sets whether the endpoints of an engine take new requests.
  std::size_t set_engine_intake(InstanceView instance, Intake intake) {
    return State::intake(membership_, all_of(instance), intake, Member::no_end);
  }
  /// Sets it for a time from now on. Precondition: not `Intake::accepting`.
  template <class TimePoint>
  std::size_t set_engine_intake(InstanceView instance, Intake intake, TimePoint now, std::chrono::nanoseconds time) {
    return State::intake(membership_, all_of(instance), intake, end_of(now, time), in_range(time));
  }
  /// Refuses new leases for the present lives of the endpoints of an engine, for good.
  std::size_t drain_engine(InstanceView instance) { return State::drain(membership_, all_of(instance)); }

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
    detail::EngineRows rows;
    watch_engines(rows);
    add_rows(rows);
    return advance(now, rows);
  }
  /// The same for a pool of several, whose engines are endpoints of the other pools, too: `rows` has been given to
  /// `watch_engines` of all, and then to `add_rows` of all.
  template <class TimePoint>
  std::vector<EjectionChange<Endpoint>> advance(TimePoint now, const detail::EngineRows& rows) {
    return detail::StepOfTime<Membership>::take(membership_, detail::nanoseconds_of(detail::in_range(now)), rows);
  }
  /// Watches the engines of members that have failed.
  void watch_engines(detail::EngineRows& rows) const {
    membership_.read([&](const Members& members) { members.watch_engines(rows); });
  }
  /// Adds the failures in a row of all endpoints of the engines that are watched.
  void add_rows(detail::EngineRows& rows) const {
    if (rows.any()) membership_.read([&](const Members& members) { members.add_rows(rows); });
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
  using State = detail::StateChange<Membership>;
  /// For `StateChange`: the member of this id, or the endpoints of an engine.
  [[nodiscard]] static auto one(IdView id) {
    return [id](Members& members, const auto& act) {
      if (Member* const member = members.find(id)) act(*member);
    };
  }
  [[nodiscard]] static auto all_of(InstanceView instance) {
    return [instance](Members& members, const auto& act) { members.each_of(instance, act); };
  }
  [[nodiscard]] static std::int64_t in_range(std::chrono::nanoseconds time) {
    return std::clamp<std::chrono::nanoseconds>(time, std::chrono::nanoseconds::zero(), detail::longest_option).count();
  }
  template <class TimePoint>
  [[nodiscard]] static std::int64_t end_of(TimePoint now, std::chrono::nanoseconds time) {
    return detail::nanoseconds_of(detail::in_range(now)) + in_range(time);
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
