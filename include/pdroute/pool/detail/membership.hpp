// SPDX-License-Identifier: Apache-2.0
// Membership: the members of one role under a lock, and the snapshot of the eligible that readers fetch.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/detail/members.hpp>
#include <pdroute/pool/detail/membership_edit.hpp>
#include <pdroute/pool/detail/slot.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/role.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What an `EndpointPool` keeps, and the one way to change it.
///
/// The steps of a change:
/// 1. take the lock and copy the members;
/// 2. edit the copy, and build the snapshot of the eligible;
/// 3. publish the copy, the snapshot and the next generation;
/// 4. close the slots that take no more leases: a request that they refuse finds the newer snapshot;
/// 5. free the lock, and only then let go of the old snapshot and of what has left.
///
/// How a reader works: compare `generation()` with that of the snapshot in hand, and fetch `snapshot()`, under the
/// lock, only if they differ.
///
/// Thread safety: all members may be called from many threads at once, except `make_slot`, which is for edits.
template <Role role, EndpointType Endpoint, LoadMetric Load>
class Membership {
 public:
  using Slot = detail::Slot<role, Endpoint, Load>;
  using Snapshot = detail::Snapshot<Slot>;
  using Members = detail::Members<Slot>;
  using Member = detail::Member<Slot>;
  using Edit = MembershipEdit<Slot, Snapshot>;

  Membership(typename Load::Options options, const OutlierDetection& rules, std::uint64_t router)
      : rules_(rules), options_(options), router_(router), members_(rules) {
    static_cast<void>(show(snapshot_of(members_)));
  }
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;
  ~Membership() {
    for (const Member& member : members_) RetireSlot{}(member.slot);
  }

  /// `change(edit, members)` edits a copy of the present members, which is then published as a whole. If it throws,
  /// nothing has changed.
  template <class Change>
  void edit(const Change& change) {
    Edit edit{rules_};  // before the lock, so that what it lets go of dies after the lock is free
    const std::lock_guard lock{mutex_};
    edit.next = members_;
    change(edit, std::as_const(members_));
    std::shared_ptr<const Snapshot> snapshot = edit.publish ? snapshot_of(edit.next) : nullptr;
    // From here on nothing can fail. Probes are bounded before the snapshot shows an endpoint that needs the bound.
    edit.next.bound_probes();
    members_ = std::move(edit.next);
    if (edit.publish) edit.published(show(std::move(snapshot)));
  }

  /// Returns `use(members, snapshot)`, of one moment.
  template <class Use>
  [[nodiscard]] auto read(const Use& use) const {
    const std::lock_guard lock{mutex_};
    return use(members_, snapshot_);
  }
  /// Returns `use(members)` for a change that leaves the snapshot as it is.
  template <class Use>
  [[nodiscard]] auto with_members(const Use& use) {
    const std::lock_guard lock{mutex_};
    return use(members_);
  }

  /// A number that changes whenever the snapshot does.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    // Acquire: a thread that sees the generation of a drain also sees what came before the drain.
    return generation_.load(std::memory_order_acquire);
  }

  /// The slot of a new life, which the edit in progress owns. The caller's code that is asked here may throw.
  [[nodiscard]] Slot* make_slot(Edit& edit, const Endpoint& endpoint) {
    Slot* const slot = edit.own([&] { return new Slot(endpoint, ++incarnations_, options_, router_); });
    slot->set_capacity(detail::capacity_of(endpoint, role));
    if constexpr (IdentifiesEndpoint<Load>) {
      const auto weight = detail::endpoint_weight(endpoint, role);
      slot->identify(detail::id_hash<Endpoint>(slot->id()), static_cast<std::uint32_t>(weight));
    }
    return slot;
  }

 private:
  /// The eligible of `members`, and why the others are not.
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot_of(const Members& members) const {
    NoEndpoint left_out{.role = role, .endpoints = static_cast<std::uint32_t>(members.size())};
    auto eligible = members.eligible(left_out);
    return std::make_shared<const Snapshot>(std::move(eligible), left_out,
                                            generation_.load(std::memory_order_relaxed) + 1);
  }
  /// Publishes; returns the snapshot shown before.
  [[nodiscard]] std::shared_ptr<const Snapshot> show(std::shared_ptr<const Snapshot> snapshot) noexcept {
    snapshot_.swap(snapshot);
    // Release: a thread that sees the new generation sees what changed.
    generation_.store(snapshot_->generation(), std::memory_order_release);
    return snapshot;
  }

  // First, so that readers compare it on a line that only publishing writes.
  alignas(64) std::atomic<std::uint64_t> generation_{0};
  const OutlierDetection rules_;
  typename Load::Options options_;
  const std::uint64_t router_;  // its mark, see `EndpointKey`
  alignas(64) mutable std::mutex mutex_;
  Members members_;
  std::uint64_t incarnations_ = 0;
  std::shared_ptr<const Snapshot> snapshot_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
