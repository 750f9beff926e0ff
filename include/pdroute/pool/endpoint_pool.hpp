// SPDX-License-Identifier: Apache-2.0
// The members of one role: who belongs to it, who is eligible, and the snapshot that says so.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/slot.hpp>
#include <pdroute/pool/snapshot.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pdroute::inline v0 {

/// The endpoints of one role, copied from the caller's list. Membership changes are rare and take a lock; readers
/// compare `generation()` with that of the snapshot they hold, and fetch a new one only when it differs.
///
/// An endpoint is eligible if it is healthy, accepting and not draining. A new member is.
///
/// Thread safety: all members may be called from many threads at once.
template <EndpointType Endpoint, class Load = NoLoad>
class EndpointPool {
 public:
  using Slot = pdroute::Slot<Endpoint, Load>;
  using Snapshot = pdroute::Snapshot<Slot>;

  explicit EndpointPool(Role role, typename Load::Options options = {}) : role_(role), options_(options) {
    static_cast<void>(show(picture_of({})));
  }
  EndpointPool(const EndpointPool&) = delete;
  EndpointPool& operator=(const EndpointPool&) = delete;
  ~EndpointPool() {
    for (const Member& member : members_) Retire{}(member.slot);
  }

  /// What is wrong with a list, if anything: an empty id or one that stands in it twice.
  [[nodiscard]] static std::optional<ConfigError> check(std::span<const Endpoint> list) {
    Positions seen;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const IdView id = pdroute::endpoint_id(list[i]);
      if constexpr (detail::StringLike<IdView>) {
        if (id.empty())
          return ConfigError{ConfigError::Rule::id_not_empty, std::string("endpoint #").append(std::to_string(i))};
      }
      if (!seen.emplace(id, i).second) return ConfigError{ConfigError::Rule::id_unique, text(id)};
    }
    return std::nullopt;
  }

  /// Makes the members be exactly those of `list`, compared by id and, where the endpoint has one, incarnation key.
  /// A kept member stays as it is: its count, its health, a drain in progress, and the copy of the endpoint taken when
  /// it was added. New members come after the kept ones in registration order. A removed member gets no new leases;
  /// those that run stay valid. Complexity: O(members + list). On an error nothing has changed.
  Result<Assignment<Endpoint>, ConfigError> assign(std::span<const Endpoint> list) {
    if (auto error = check(list)) return std::move(*error);
    Positions listed;
    for (std::size_t i = 0; i < list.size(); ++i) listed.emplace(pdroute::endpoint_id(list[i]), i);

    Assignment<Endpoint> report;
    // Let go only after the lock is free, because they may destroy endpoints:
    std::shared_ptr<const Snapshot> old;
    std::vector<OwnedSlot> removed;
    std::vector<OwnedSlot> fresh;
    fresh.reserve(list.size());
    const std::lock_guard lock{mutex_};
    std::vector<Member> next;
    std::vector<Slot*> gone;
    std::vector<bool> known(list.size(), false);
    for (const Member& member : members_) {
      const auto found = listed.find(member.slot->id());
      if (found != listed.end() && detail::same_incarnation(member.slot->endpoint(), list[found->second])) {
        known[found->second] = true;
        next.push_back(member);
      } else {
        gone.push_back(member.slot);
        report.removed.emplace_back(member.slot->id());
      }
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      (known[i] ? report.kept : report.added).emplace_back(pdroute::endpoint_id(list[i]));
      if (known[i]) continue;
      fresh.emplace_back(new Slot(list[i], ++incarnations_, options_));
      next.push_back({fresh.back().get()});
    }
    if (fresh.empty() && gone.empty()) return report;

    removed.reserve(gone.size());
    std::shared_ptr<const Snapshot> picture = picture_of(next);
    // From here on nothing can fail.
    for (OwnedSlot& slot : fresh) static_cast<void>(slot.release());
    members_.swap(next);
    old = show(std::move(picture));
    // Closed after the new list is shown: whoever is refused finds a list without them.
    for (Slot* slot : gone) {
      slot->close();
      removed.emplace_back(slot);
    }
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

  /// Every member in registration order, eligible or not.
  [[nodiscard]] std::vector<EndpointStatus<Endpoint>> endpoints() const {
    const std::lock_guard lock{mutex_};
    std::vector<EndpointStatus<Endpoint>> all;
    all.reserve(members_.size());
    for (const Member& m : members_) {
      all.push_back({EndpointId<Endpoint>(m.slot->id()), m.slot->incarnation(), m.health, m.intake, m.draining,
                     m.slot->in_flight()});
    }
    return all;
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

  struct Member {
    Slot* slot;
    Health health = Health::healthy;
    Intake intake = Intake::accepting;
    bool draining = false;
  };

  static std::string text(IdView id) {
    if constexpr (detail::StringLike<IdView>) {
      return std::string(id);
    } else {
      return std::to_string(id);
    }
  }

  /// The membership's hold on a slot: closes it and ends the pin.
  struct Retire {
    void operator()(Slot* slot) const noexcept {
      slot->close();
      Slot::end_pin(slot);
    }
  };
  using OwnedSlot = std::unique_ptr<Slot, Retire>;

  template <class Value>
  bool set(IdView id, Value Member::* state, Value value) {
    std::shared_ptr<const Snapshot> old;  // let go after the lock is free, because it may destroy endpoints
    const std::lock_guard lock{mutex_};
    std::vector<Member> next = members_;
    const auto member = std::find_if(next.begin(), next.end(), [id](const Member& m) { return m.slot->id() == id; });
    if (member == next.end()) return false;
    if (*member.*state == value) return true;
    *member.*state = value;
    std::shared_ptr<const Snapshot> picture = picture_of(next);
    // From here on nothing can fail.
    Slot* const slot = member->slot;
    const bool close = member->draining;
    members_.swap(next);
    old = show(std::move(picture));
    if (close) slot->close();  // after the new list is shown: whoever is refused finds a list without it
    return true;
  }

  /// The eligible of `members`, and why the others are not. Needs the lock.
  [[nodiscard]] std::shared_ptr<const Snapshot> picture_of(const std::vector<Member>& members) const {
    NoEndpoint left_out{.role = role_, .endpoints = static_cast<std::uint32_t>(members.size())};
    std::vector<Slot*> eligible;
    eligible.reserve(members.size());
    for (const Member& member : members) {
      if (member.health != Health::healthy) {
        ++left_out.unhealthy;
      } else if (member.intake != Intake::accepting) {
        ++left_out.paused;
      } else if (member.draining) {
        ++left_out.draining;
      } else {
        eligible.push_back(member.slot);
      }
    }
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
  Role role_;
  typename Load::Options options_;
  alignas(64) mutable std::mutex mutex_;
  std::vector<Member> members_;
  std::uint64_t incarnations_ = 0;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace pdroute::inline v0
