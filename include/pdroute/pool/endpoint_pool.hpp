// SPDX-License-Identifier: Apache-2.0
// EndpointPool: the members of one role, which of them are eligible, and the snapshot that shows those.
#pragma once

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
#include <pdroute/load/token_count.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/check_endpoints.hpp>
#include <pdroute/pool/detail/membership.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/role_change.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <span>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// The endpoints of one role, copied from the caller's list. A new member is eligible: healthy, accepting, not draining
/// and not ejected. A member that comes from the other role instead keeps its health and intake.
///
/// How a change works, which is rare:
/// 1. it takes the lock, copies the members and edits the copy;
/// 2. it builds the snapshot of the eligible, and publishes copy, snapshot and the next generation together;
/// 3. it closes the slots that take no more leases, frees the lock, and only then lets go of what has left.
/// How a reader works, which is frequent:
/// 4. it compares `generation()` with that of the snapshot in hand: one cache line, which only changes write;
/// 5. it fetches `snapshot()` under the lock only if they differ.
///
/// Thread safety: all members may be called from many threads at once. Endpoints that leave are destroyed after the
/// lock is free, so their destructors may call the pool.
template <Role role, EndpointType Endpoint, LoadMetric Load = NoLoad>
class EndpointPool {
 public:
  using Slot = detail::Slot<role, Endpoint, Load>;  ///< what leases refer to
  using Snapshot = detail::Snapshot<Slot>;          ///< what policies choose from
  using IdView = EndpointIdView<Endpoint>;          ///< the id of an endpoint, cheap to pass
  using Options = typename Load::Options;           ///< of the load metric

  /// An empty pool. Outlier detection is off unless its rules are given. `router` is the mark in `EndpointKey`.
  explicit EndpointPool(Options options = {}, const OutlierDetection& rules = {.consecutive_failures = 0},
                        std::uint64_t router = 0)
      : membership_(options, rules, router) {}

  /// Makes the members be exactly those of `list`, compared by id and, where the endpoint has one, incarnation key.
  /// A kept member stays as it is: its count, its health, a drain in progress, its capacity, its weight, and the copy
  /// of the endpoint taken when it was added. New members come after the kept ones in registration order. A removed
  /// member gets no new leases; those that run stay valid. An endpoint that has left for the other role comes back,
  /// as a new life, if the list names it. Complexity: O(members + list). On an error nothing has changed.
  Result<Assignment<Endpoint>, ConfigError> assign(std::span<const Endpoint> list) {
    if (auto error = detail::check_endpoints<role, Endpoint, Load>(list)) return std::move(*error);
    Assignment<Endpoint> report;
    membership_.edit([&](Edit& edit, const Members& members) {
      // Match each entry of the list with the member it keeps.
      const std::vector<const Member*> before = members.match(list);
      std::vector<bool> keeps(list.size(), false);
      std::unordered_set<const Member*> kept;
      for (std::size_t i = 0; i < list.size(); ++i) {
        keeps[i] =
            before[i] != nullptr && !before[i]->left && detail::same_incarnation(before[i]->slot->endpoint(), list[i]);
        if (keeps[i]) kept.insert(before[i]);
      }
      // Keep or remove each member, then add the new lives.
      edit.next.clear();
      for (const Member& member : members) {
        if (kept.contains(&member)) {
          edit.next.add(member);
        } else {
          edit.remove(member.slot);
          report.removed.emplace_back(member.slot->id());
        }
      }
      for (std::size_t i = 0; i < list.size(); ++i) {
        (keeps[i] ? report.kept : report.added).emplace_back(pdroute::endpoint_id(list[i]));
        if (!keeps[i]) edit.add(new_member(membership_.make_slot(edit, list[i]), before[i]));
      }
    });
    return report;
  }

  /// Sets whether the endpoint works. False: no member has this id, and nothing has changed. O(members).
  bool set_health(IdView id, Health health) { return set(id, &Member::health, health); }

  /// Sets whether the endpoint takes new requests. False: no member has this id. O(members).
  bool set_intake(IdView id, Intake intake) { return set(id, &Member::intake, intake); }

  /// Refuses new leases for this life of the endpoint. Draining is final, unlike HAProxy's drain state: once this has
  /// returned, no new lease appears. Leases that run stay valid; `EndpointStatus::drained()` says when the last has
  /// ended. False: no member has this id. O(members).
  bool drain(IdView id) { return set(id, &Member::draining, true); }

  /// Sets the limits of this life of the endpoint, at once. What is above a lowered limit stays; nothing is added until
  /// there is room. Returns what is wrong, if anything: no member has this id, or the capacity is out of range.
  std::optional<ConfigError> set_capacity(IdView id, const Capacity& capacity) {
    if (auto error = detail::check_capacity<Endpoint, Load>(id, capacity)) return error;
    return membership_.with_members([&](Members& members) -> std::optional<ConfigError> {
      Member* const member = members.find(id);
      if (member == nullptr) return unknown(id);
      member->capacity = capacity;
      if (member->ejection.phase == EjectionPhase::none) {
        member->slot->set_capacity(capacity);
      } else {
        members.bound_probes();
      }
      return std::nullopt;
    });
  }

  /// Does what `OutlierDetection` says is due at this moment of the caller's clock: ejects, begins probes, takes back.
  /// Returns the endpoints whose phase has changed. O(members).
  template <class TimePoint>
  std::vector<EjectionChange<Endpoint>> advance(TimePoint now) {
    std::vector<EjectionChange<Endpoint>> changes;
    membership_.edit([&](Edit& edit, const Members& members) {
      edit.next.advance(detail::nanoseconds_of(now));
      const bool panic_before = members.panic();
      const bool panic = edit.next.panic();
      for (std::size_t i = 0; i < members.size(); ++i) {
        const Member& member = edit.next[i];
        if (members[i].ruled_out(panic_before) != member.ruled_out(panic)) edit.publish = true;
        if (members[i].ejection.phase != member.ejection.phase)
          changes.push_back({role, EndpointId<Endpoint>(member.slot->id()), member.phase(panic)});
      }
    });
    return changes;
  }

  /// Takes what an engine reports of itself. Returns what is wrong, if anything: no member has this id, or a figure is
  /// out of range.
  template <class TimePoint>
  std::optional<ConfigError> report(IdView id, const EngineReport& report, TimePoint made_at) {
    static_assert(std::is_base_of_v<EngineReports, Load>,
                  "pdroute: this role's policy reads no reports; give it a cost that does, such as ReportedRequests, "
                  "or count them by WithMetrics<Policy, EngineReports>");
    if (auto error = report.check()) return error;
    return membership_.read([&](const Members& members, const auto& /*snapshot*/) -> std::optional<ConfigError> {
      const Member* const member = members.find(id);
      if (member == nullptr) return unknown(id);
      Slot& slot = *member->slot;
      EngineReports::Own own{.in_flight = slot.in_flight()};
      if constexpr (std::is_base_of_v<KvTokens, Load>) own.kv_tokens = slot.kv_tokens();
      slot.EngineReports::report(report, made_at, own);
      return std::nullopt;
    });
  }

  /// Drains an endpoint that will play another role, unless it is the last eligible one here and `last` keeps it, or
  /// `fits(endpoint)` is false.
  template <class Fits>
  DepartingEndpoint<Endpoint> leave(IdView id, LastEndpoint last, const Fits& fits) {
    DepartingEndpoint<Endpoint> departing;
    membership_.edit([&](Edit& edit, const Members& members) {
      Member* const member = edit.next.find(id);
      if (member == nullptr) {
        departing.change = RoleChange::no_such_endpoint;
      } else if (last == LastEndpoint::keep && members.is_last_eligible(*member)) {
        departing.change = RoleChange::last_of_its_role;
      } else if (!fits(member->slot->endpoint())) {
        departing.change = RoleChange::capacity_refused;
      }
      if (departing.change != RoleChange::done) return;
      departing.endpoint.emplace(member->slot->endpoint());
      departing.health = member->health;
      departing.intake = member->intake;
      member->draining = true;
      member->left = true;
      edit.close(member->slot);
    });
    return departing;
  }
  /// Adds an endpoint that has left another role, as a new life. A draining member with the same id is removed. False:
  /// a member with this id is not draining, and nothing has changed.
  bool join(const DepartingEndpoint<Endpoint>& departing) {
    bool joined = false;
    membership_.edit([&](Edit& edit, const Members& /*members*/) {
      const Endpoint& endpoint = *departing.endpoint;
      if (const Member* const member = edit.next.find(pdroute::endpoint_id(endpoint))) {
        if (!member->draining) return;
        edit.remove(member->slot);
        edit.next.remove(member);
      }
      edit.add({.slot = membership_.make_slot(edit, endpoint),
                .health = departing.health,
                .intake = departing.intake,
                .capacity = detail::capacity_of(endpoint, role)});
      joined = true;
    });
    return joined;
  }
  /// Whether the endpoint's capacity and weight are in range for this role; see `set_capacity`.
  [[nodiscard]] static bool fits(const Endpoint& endpoint) {
    return !detail::check_endpoint<role, Endpoint, Load>(endpoint);
  }
  /// Whether the id is a member that is not draining.
  [[nodiscard]] bool active(IdView id) const {
    return membership_.read([id](const Members& members, const auto& /*snapshot*/) {
      const Member* const member = members.find(id);
      return member != nullptr && !member->draining;
    });
  }

  /// Every member in registration order, eligible or not. Counts are read one after the other while requests go on.
  [[nodiscard]] std::vector<EndpointStatus<Endpoint>> endpoints() const {
    return membership_.read([](const Members& members, const auto& /*snapshot*/) { return members.statuses(); });
  }
  /// The member of this id, if there is one. O(members).
  [[nodiscard]] std::optional<EndpointStatus<Endpoint>> endpoint(IdView id) const {
    return membership_.read([id](const Members& members, const auto& /*snapshot*/) {
      const Member* const member = members.find(id);
      return member != nullptr ? std::optional{member->status(members.panic())} : std::nullopt;
    });
  }

  /// Every member and what rules it out, in registration order, and the snapshot of those that nothing rules out, all
  /// of one moment.
  struct View {
    std::vector<EndpointStatus<Endpoint>> members;  ///< every member
    std::vector<detail::Reason> ruled_out;          ///< by place in `members`; null for an eligible one
    std::shared_ptr<const Snapshot> snapshot;       ///< the eligible
  };
  /// The members and the snapshot of this moment.
  [[nodiscard]] View view() const {
    return membership_.read([](const Members& members, const auto& snapshot) {
      return View{members.statuses(), members.ruled_out(), snapshot};
    });
  }

  /// A number that changes whenever the snapshot does.
  [[nodiscard]] std::uint64_t generation() const noexcept { return membership_.generation(); }
  /// The eligible members now.
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const {
    return membership_.read([](const Members& /*members*/, const auto& snapshot) { return snapshot; });
  }

 private:
  using Membership = detail::Membership<role, Endpoint, Load>;
  using Members = typename Membership::Members;
  using Member = typename Membership::Member;
  using Edit = typename Membership::Edit;

  template <class Value>
  bool set(IdView id, Value Member::* state, Value value) {
    bool found = false;
    membership_.edit([&](Edit& edit, const Members& /*members*/) {
      Member* const member = edit.next.find(id);
      found = member != nullptr;
      if (!found || *member.*state == value) return;
      *member.*state = value;
      edit.publish = true;
      if (member->draining) edit.close(member->slot);
    });
    return found;
  }
  /// The state in which an endpoint of a list joins: one that is back from the other role brings its health and intake.
  [[nodiscard]] static Member new_member(Slot* slot, const Member* before) {
    Member member{.slot = slot, .capacity = detail::capacity_of(slot->endpoint(), role)};
    if (before != nullptr && before->left) {
      member.health = before->health;
      member.intake = before->intake;
    }
    return member;
  }
  [[nodiscard]] static ConfigError unknown(IdView id) {
    return {ConfigError::Rule::id_known, detail::id_text<Endpoint>(id)};
  }

  Membership membership_;
};

}  // namespace v0
}  // namespace pdroute
