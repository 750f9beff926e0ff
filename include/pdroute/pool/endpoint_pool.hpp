// SPDX-License-Identifier: Apache-2.0
// The members of one role: who belongs to it, who is eligible, and the snapshot that says so.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/check_endpoints.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/detail/members.hpp>
#include <pdroute/pool/detail/slot.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/role_change.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// The endpoints of one role, copied from the caller's list. Membership changes are rare and take a lock; readers
/// compare `generation()` with that of the snapshot they hold, and fetch a new one only when it differs.
///
/// An endpoint is eligible if it is healthy, accepting, not draining and not ejected for failing. A new member is.
///
/// Thread safety: all members may be called from many threads at once.
template <Role role, EndpointType Endpoint, LoadMetric Load = NoLoad>
class EndpointPool {
 public:
  using Slot = pdroute::detail::Slot<role, Endpoint, Load>;
  using Snapshot = pdroute::detail::Snapshot<Slot>;

  explicit EndpointPool(typename Load::Options options = {},
                        const OutlierDetection& ejection = {.consecutive_failures = 0})
      : options_(options), members_(ejection) {
    static_cast<void>(show(picture_of(members_)));
  }
  EndpointPool(const EndpointPool&) = delete;
  EndpointPool& operator=(const EndpointPool&) = delete;
  ~EndpointPool() {
    for (const Member& member : members_) Retire{}(member.slot);
  }

  /// Makes the members be exactly those of `list`, compared by id and, where the endpoint has one, incarnation key.
  /// A kept member stays as it is: its count, its health, a drain in progress, its capacity, its weight, and the copy
  /// of the endpoint taken when it was added. New members come after the kept ones in registration order. A removed
  /// member gets no new leases; those that run stay valid. An endpoint that has left for the other role comes back,
  /// as a new life, if the list names it. Complexity: O(members + list). On an error nothing has changed.
  Result<Assignment<Endpoint>, ConfigError> assign(std::span<const Endpoint> list) {
    if (auto error = detail::check_endpoints<role, Endpoint, Load>(list)) return std::move(*error);
    Positions listed;
    for (std::size_t i = 0; i < list.size(); ++i) listed.emplace(pdroute::endpoint_id(list[i]), i);

    Assignment<Endpoint> report;
    // Let go only after the lock is free, because they may destroy endpoints:
    std::shared_ptr<const Snapshot> old;
    std::vector<OwnedSlot> removed;
    std::vector<OwnedSlot> fresh;
    fresh.reserve(list.size());
    const std::lock_guard lock{mutex_};
    Members next = members_;
    next.clear();
    std::vector<Slot*> gone;
    std::vector<bool> known(list.size(), false);
    for (const Member& member : members_) {
      const auto found = listed.find(member.slot->id());
      if (found != listed.end() && !member.left &&
          detail::same_incarnation(member.slot->endpoint(), list[found->second])) {
        known[found->second] = true;
        next.add(member);
      } else {
        gone.push_back(member.slot);
        report.removed.emplace_back(member.slot->id());
      }
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      (known[i] ? report.kept : report.added).emplace_back(pdroute::endpoint_id(list[i]));
      if (known[i]) continue;
      fresh.push_back(make_slot(list[i]));
      Member member{.slot = fresh.back().get(), .capacity = detail::capacity_of(list[i], role)};
      if (const Member* back = members_.find(pdroute::endpoint_id(list[i]));
          back != nullptr && back->left) {  // from the other role, with its health
        member.health = back->health;
        member.intake = back->intake;
      }
      next.add(member);
    }
    if (fresh.empty() && gone.empty()) return report;

    removed.reserve(gone.size());
    old = replace(next, gone);
    // From here on nothing can fail.
    for (OwnedSlot& slot : fresh) static_cast<void>(slot.release());
    for (Slot* slot : gone) removed.emplace_back(slot);
    return report;
  }

  /// Sets whether the endpoint works. False: there is no such id, and nothing has changed. O(members), like the next
  /// two.
  bool set_health(EndpointIdView<Endpoint> id, Health health) { return set(id, &Member::health, health); }

  /// Sets whether the endpoint wants new requests. False: there is no such id.
  bool set_intake(EndpointIdView<Endpoint> id, Intake intake) { return set(id, &Member::intake, intake); }

  /// Refuses new leases for this life of the endpoint, for good: once this has returned, none appears. Leases that run
  /// stay valid; `EndpointStatus::drained()` says when the last has ended. False: there is no such id.
  bool drain(EndpointIdView<Endpoint> id) { return set(id, &Member::draining, true); }

  /// Sets the limits of this life of the endpoint, at once. What is above a lowered limit stays; nothing is added until
  /// there is room. Returns what is wrong, if anything: no such id, or a capacity that cannot be.
  std::optional<ConfigError> set_capacity(EndpointIdView<Endpoint> id, const Capacity& capacity) {
    if (auto error = detail::check_capacity<Endpoint, Load>(id, capacity)) return error;
    const std::lock_guard lock{mutex_};
    Member* const member = members_.find(id);
    if (member == nullptr) return ConfigError{ConfigError::Rule::id_known, detail::id_text<Endpoint>(id)};
    member->capacity = capacity;
    if (member->ejection.phase == EjectionPhase::none) {
      member->slot->set_capacity(capacity);
    } else {
      members_.bound_probes();
    }
    return std::nullopt;
  }

  /// Does what is due by `OutlierDetection` at this moment of the caller's clock: ejects, begins probes, takes back. Says of
  /// whom. O(members).
  template <class TimePoint>
  std::vector<EjectionChange<Endpoint>> advance(TimePoint now) {
    std::vector<EjectionChange<Endpoint>> changes;
    std::shared_ptr<const Snapshot> old;  // let go after the lock is free, because it may destroy endpoints
    const std::lock_guard lock{mutex_};
    Members next = members_;
    next.advance(detail::nanoseconds_of(now));
    const bool panic_before = members_.panic();
    const bool panic = next.panic();
    bool same = true;
    for (std::size_t i = 0; i < next.size(); ++i) {
      same = same && members_[i].ruled_out(panic_before) == next[i].ruled_out(panic);
      if (members_[i].ejection.phase != next[i].ejection.phase)
        changes.push_back({role, EndpointId<Endpoint>(next[i].slot->id()), next[i].phase(panic)});
    }
    if (same) {
      next.bound_probes();
      members_ = std::move(next);
    } else {
      old = replace(next, {});
    }
    return changes;
  }

  /// Takes what an endpoint says of itself. Returns what is wrong, if anything: no such id, or a report that cannot be.
  template <class TimePoint>
  std::optional<ConfigError> report(EndpointIdView<Endpoint> id, const EngineReport& report, TimePoint made_at) {
    static_assert(std::is_base_of_v<EngineReports, Load>,
                  "pdroute: this role's policy reads no reports; give it a cost that does, such as ReportedRequests, "
                  "or count them by WithMetrics<Policy, EngineReports>");
    if (auto error = report.check()) return error;
    const std::lock_guard lock{mutex_};
    const Member* const member = members_.find(id);
    if (member == nullptr) return ConfigError{ConfigError::Rule::id_known, detail::id_text<Endpoint>(id)};
    Slot& slot = *member->slot;
    EngineReports::Own own{.in_flight = slot.in_flight()};
    if constexpr (std::is_base_of_v<KvTokens, Load>) own.kv_tokens = slot.kv_tokens();
    slot.EngineReports::report(report, made_at, own);
    return std::nullopt;
  }

  /// Drains an endpoint that will play another role, unless it is the last eligible one here and `last` keeps it, or
  /// `fits(endpoint)` is false.
  template <class Fits>
  DepartingEndpoint<Endpoint> leave(EndpointIdView<Endpoint> id, LastEndpoint last, const Fits& fits) {
    // Both let go after the lock is free, because they may destroy endpoints:
    std::shared_ptr<const Snapshot> old;
    DepartingEndpoint<Endpoint> departing;
    const std::lock_guard lock{mutex_};
    Members next = members_;
    Member* const member = next.find(id);
    if (member == nullptr) {
      departing.change = RoleChange::no_such_endpoint;
      return departing;
    }
    if (last == LastEndpoint::keep && member->ruled_out(next.panic()) == nullptr &&
        snapshot_->candidates().size() == 1) {
      departing.change = RoleChange::last_of_its_role;
      return departing;
    }
    if (!fits(member->slot->endpoint())) {
      departing.change = RoleChange::capacity_refused;
      return departing;
    }
    departing.endpoint.emplace(member->slot->endpoint());
    departing.health = member->health;
    departing.intake = member->intake;
    member->draining = true;
    member->left = true;
    Slot* const slot = member->slot;
    old = replace(next, {&slot, 1});
    return departing;
  }
  /// Adds an endpoint that has left another role, as a new life; one that is still draining here goes. False: its id is
  /// a member that is not draining, and nothing has changed.
  bool join(const DepartingEndpoint<Endpoint>& departing) {
    std::shared_ptr<const Snapshot> old;  // all let go after the lock is free, because they may destroy endpoints
    OwnedSlot removed;
    OwnedSlot fresh;
    const std::lock_guard lock{mutex_};
    Members next = members_;
    std::vector<Slot*> gone;
    if (const Member* const member = next.find(pdroute::endpoint_id(*departing.endpoint))) {
      if (!member->draining) return false;
      gone.push_back(member->slot);
      next.remove(member);
    }
    fresh = make_slot(*departing.endpoint);
    next.add({.slot = fresh.get(),
              .health = departing.health,
              .intake = departing.intake,
              .capacity = detail::capacity_of(*departing.endpoint, role)});
    old = replace(next, gone);
    static_cast<void>(fresh.release());
    if (!gone.empty()) removed.reset(gone.front());
    return true;
  }
  /// Whether the endpoint's capacity for this role can be, see `set_capacity`, and its weight.
  [[nodiscard]] static bool fits(const Endpoint& endpoint) {
    return !detail::check_endpoint<role, Endpoint, Load>(endpoint);
  }
  /// Whether the id is a member that is not draining.
  [[nodiscard]] bool active(EndpointIdView<Endpoint> id) const {
    const std::lock_guard lock{mutex_};
    const Member* const member = members_.find(id);
    return member != nullptr && !member->draining;
  }

  /// Every member in registration order, eligible or not. Counts are read one after the other while requests go on.
  [[nodiscard]] std::vector<EndpointStatus<Endpoint>> endpoints() const {
    const std::lock_guard lock{mutex_};
    std::vector<EndpointStatus<Endpoint>> all;
    all.reserve(members_.size());
    const bool panic = members_.panic();
    for (const Member& member : members_) all.push_back(member.status(panic));
    return all;
  }
  /// The member of this id, if there is one. O(members).
  [[nodiscard]] std::optional<EndpointStatus<Endpoint>> endpoint(EndpointIdView<Endpoint> id) const {
    const std::lock_guard lock{mutex_};
    const Member* const member = members_.find(id);
    if (member == nullptr) return std::nullopt;
    return member->status(members_.panic());
  }

  /// A member, and what keeps it from being eligible.
  struct Standing {
    EndpointStatus<Endpoint> status;
    detail::Reason ruled_out;
  };
  /// Every member in registration order, and the snapshot of those that nothing rules out, of one moment.
  struct Picture {
    std::vector<Standing> members;
    std::shared_ptr<const Snapshot> snapshot;
  };
  [[nodiscard]] Picture picture() const {
    const std::lock_guard lock{mutex_};
    Picture picture{{}, snapshot_};
    picture.members.reserve(members_.size());
    const bool panic = members_.panic();
    for (const Member& member : members_) picture.members.push_back({member.status(panic), member.ruled_out(panic)});
    return picture;
  }

  /// Changes whenever the snapshot does.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    // Acquire: whoever sees that a drain has been published also sees what came before it.
    return generation_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const {
    const std::lock_guard lock{mutex_};
    return snapshot_;
  }

 private:
  using IdView = EndpointIdView<Endpoint>;
  using Positions = std::unordered_map<IdView, std::size_t>;

  using Members = detail::Members<Slot>;
  using Member = detail::Member<Slot>;

  /// The membership's hold on a slot: closes it and ends the pin.
  struct Retire {
    void operator()(Slot* slot) const noexcept {
      slot->close();
      Slot::end_pin(slot);
    }
  };
  using OwnedSlot = std::unique_ptr<Slot, Retire>;

  [[nodiscard]] OwnedSlot make_slot(const Endpoint& endpoint) {
    OwnedSlot slot{new Slot(endpoint, ++incarnations_, options_)};
    slot->set_capacity(detail::capacity_of(endpoint, role));
    if constexpr (IdentifiesEndpoint<Load>) {
      const auto weight = detail::endpoint_weight(endpoint, role);
      slot->identify(detail::id_hash<Endpoint>(slot->id()), static_cast<std::uint32_t>(weight));
    }
    return slot;
  }

  template <class Value>
  bool set(IdView id, Value Member::* state, Value value) {
    std::shared_ptr<const Snapshot> old;  // let go after the lock is free, because it may destroy endpoints
    const std::lock_guard lock{mutex_};
    Members next = members_;
    Member* const member = next.find(id);
    if (member == nullptr) return false;
    if (*member.*state == value) return true;
    *member.*state = value;
    Slot* const slot = member->slot;
    old = replace(next, {&slot, member->draining ? 1U : 0U});
    return true;
  }

  /// Shows `next` instead of the present members and then closes those that take no more leases: whoever is refused by
  /// them finds a list without them. Returns the snapshot shown before. If it throws, nothing has changed. Needs the
  /// lock.
  [[nodiscard]] std::shared_ptr<const Snapshot> replace(Members& next, std::span<Slot* const> closing) {
    std::shared_ptr<const Snapshot> picture = picture_of(next);
    next.bound_probes();  // before anyone is shown who must not be taken without a bound, and while others still see it
    members_ = std::move(next);
    auto old = show(std::move(picture));
    for (Slot* slot : closing) slot->close();
    return old;
  }

  /// The eligible of `members`, and why the others are not. Needs the lock.
  [[nodiscard]] std::shared_ptr<const Snapshot> picture_of(const Members& members) const {
    NoEndpoint left_out{.role = role, .endpoints = static_cast<std::uint32_t>(members.size())};
    auto eligible = members.eligible(left_out);
    return std::make_shared<const Snapshot>(std::move(eligible), left_out,
                                            generation_.load(std::memory_order_relaxed) + 1);
  }

  /// Publishes; returns the snapshot shown before. Needs the lock.
  [[nodiscard]] std::shared_ptr<const Snapshot> show(std::shared_ptr<const Snapshot> picture) noexcept {
    snapshot_.swap(picture);
    // Release: whoever sees the new generation sees what changed.
    generation_.store(snapshot_->generation(), std::memory_order_release);
    return picture;
  }

  // First, so that readers compare it on a line that only publishing writes.
  alignas(64) std::atomic<std::uint64_t> generation_{0};
  typename Load::Options options_;
  alignas(64) mutable std::mutex mutex_;
  Members members_;
  std::uint64_t incarnations_ = 0;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace v0
}  // namespace pdroute
