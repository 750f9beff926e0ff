// SPDX-License-Identifier: Apache-2.0
// Membership: the members of one role under a lock, and the snapshot of the eligible that readers fetch.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/engine_load.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/detail/members.hpp>
#include <pdroute/pool/detail/membership_edit.hpp>
#include <pdroute/pool/detail/slot.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/slow_start.hpp>
#include <pdroute/role.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What an `EndpointPool` keeps, and the ways to change it.
///
/// `update` changes the state of members in place, in O(1) for one member. `edit` changes which members there are:
/// 1. take the lock and copy the members;
/// 2. edit the copy;
/// 3. let the copy take effect, drop the snapshot, and publish the next generation;
/// 4. close the slots that take no more leases: a request that they refuse finds the next generation;
/// 5. free the lock, and only then let go of the old snapshot and of what has left.
///
/// How a reader works: compare `generation()` with that of the snapshot in hand, and fetch `snapshot()`, under the
/// lock, only if they differ. A change builds the snapshot of the eligible, so that readers need not allocate; but with
/// more than `max_built_at_once` members the first reader after it does, so that many changes in a row cost one
/// building.
///
/// The lock is held only for code of the library. The caller's code runs before or after.
///
/// Thread safety: all members may be called from many threads at once.
template <Role role, EndpointType Endpoint, LoadMetric Load>
class Membership {
 public:
  using Slot = detail::Slot<role, Endpoint, Load>;
  using Snapshot = detail::Snapshot<Slot>;
  using Members = detail::Members<Slot>;
  using Member = detail::Member<Slot>;
  using Edit = MembershipEdit<Slot, Snapshot>;

  Membership(typename Load::Options options, const OutlierDetection& rules, std::uint64_t router,
             const SlowStart& slow_start, std::shared_ptr<EngineTable> engines)
      : rules_(rules),
        slow_start_(slow_start),
        options_(options),
        router_(router),
        engines_(std::move(engines)),
        members_(rules) {}
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;
  ~Membership() {
    for (const Member& member : members_) RetireSlot{}(member.slot);
    for (const Member& member : members_.departed()) RetireSlot{}(member.slot);
  }

  /// `change(edit, members)` edits a copy of the present members, which then takes effect as a whole. If it returns
  /// false or throws, nothing has changed.
  template <class Change>
  bool edit(const Change& change) {
    Edit edit{rules_};  // before the lock, so that what it lets go of dies after the lock is free
    const std::lock_guard lock{mutex_};
    edit.next = members_.copy();
    if (!change(edit, std::as_const(members_))) return false;
    forget_departed(edit);
    collect_unused(edit);
    edit.next.index();
    // From here on nothing can fail.
    members_ = std::move(edit.next);
    ++version_;
    edit.published(edit.publish ? invalidate() : nullptr, version_);
    build_if_small();
    return true;
  }
  /// `change(members)` changes the state of members in place, and returns whether that may change who is eligible.
  template <class Change>
  void update(const Change& change) {
    std::shared_ptr<const Snapshot> old;  // dies after the lock is free
    const std::lock_guard lock{mutex_};
    if (!change(members_)) return;
    old = invalidate();
    build_if_small();
  }
  /// Like `update`, for a change after which the slots that `change` returns take no more leases.
  template <class Change>
  void update_and_close(const Change& change) {
    std::shared_ptr<const Snapshot> old;
    const std::lock_guard lock{mutex_};
    const std::vector<Slot*> closing = change(members_);
    if (closing.empty()) return;
    old = invalidate();
    for (Slot* const slot : closing) slot->close();
    build_if_small();
  }
  /// A number that rises with each `edit`. For functions that are given the members, because the lock guards it.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

  /// The slot of the member with this id, pinned; null if there is none.
  [[nodiscard]] PinnedSlot<Slot> pinned(EndpointIdView<Endpoint> id) const {
    const std::lock_guard lock{mutex_};
    const Member* const member = members_.find(id);
    if (member == nullptr) return nullptr;
    member->slot->pin();
    return PinnedSlot<Slot>(member->slot);
  }

  /// Returns `use(members)`.
  template <class Use>
  auto read(const Use& use) const {
    const std::lock_guard lock{mutex_};
    return use(members_);
  }
  /// Returns `use(members, snapshot)`, of one moment.
  template <class Use>
  [[nodiscard]] auto read_with_snapshot(const Use& use) const {
    const std::lock_guard lock{mutex_};
    build();
    return use(members_, snapshot_);
  }

  /// A number that changes whenever the snapshot does.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    // Acquire: a thread that sees the generation of a drain also sees what came before the drain.
    return generation_.load(std::memory_order_acquire);
  }

  /// The slot of a new life. `edit` numbers it.
  [[nodiscard]] OwnedSlot<Slot> make_slot(const Endpoint& endpoint, std::uint64_t weight) const {
    OwnedSlot<Slot> slot(new Slot(endpoint, 0, options_, rules_.consecutive_failures, router_));
    slot->weigh(weight);
    if constexpr (counts_engines<Load>) slot->join(engines_->of(slot->engine()));
    return slot;
  }
  [[nodiscard]] const SlowStart& slow_start() const noexcept { return slow_start_; }
  /// The number of the next life. Called by an edit.
  [[nodiscard]] std::uint64_t next_incarnation() noexcept { return ++incarnations_; }

 private:
  static constexpr std::size_t max_built_at_once = 256;  // as many take a few microseconds
  /// So many lives that no list names are remembered after their last lease; or as many as there were members, so that
  /// an empty list loses none.
  static constexpr std::size_t min_departed = 1024;

  /// Lets go of departed lives that nothing runs on, beyond the number that is remembered, the oldest first.
  static void forget_departed(Edit& edit) {
    auto& departed = edit.next.departed();
    const std::size_t most = std::max(min_departed, edit.next.most());
    if (departed.size() <= most) return;
    std::size_t surplus = departed.size() - most;
    std::erase_if(departed, [&](const Member& member) {
      if (surplus == 0 || member.slot->in_flight() > 0) return false;
      --surplus;
      edit.let_go(member.slot);
      return true;
    });
  }
  /// Takes descriptions that neither leases nor old snapshots show. The present snapshot shows none, if it is younger.
  void collect_unused(Edit& edit) const {
    std::unordered_set<const Slot*> shown;
    for (const Member& member : members_) {
      const auto relisted = member.slot->relisted();
      if (!relisted || (snapshot_ != nullptr && snapshot_version_ < *relisted)) continue;
      if (shown.empty() && snapshot_ != nullptr) {
        const auto candidates = snapshot_->with_bound_only();
        for (std::size_t i = 0; i < candidates.all(); ++i) shown.insert(candidates.slot(i));
      }
      if (auto unused = member.slot->unused_listings(shown.contains(member.slot)))
        edit.unused.push_back(std::move(unused));
    }
  }

  /// The snapshot is out of date. Returns it.
  [[nodiscard]] std::shared_ptr<const Snapshot> invalidate() noexcept {
    // Release: a thread that sees the new generation sees what changed. It fetches under the lock.
    generation_.fetch_add(1, std::memory_order_release);
    return std::exchange(snapshot_, nullptr);
  }
  void build_if_small() const {
    if (members_.size() <= max_built_at_once) build();
  }
  /// Builds the snapshot, unless it is up to date. Probes are bounded before it shows an endpoint that needs the bound.
  void build() const {
    if (snapshot_ != nullptr) return;
    NoEndpoint left_out{.role = role, .endpoints = static_cast<std::uint32_t>(members_.size())};
    auto eligible = members_.eligible(left_out);
    members_.bound_probes();
    snapshot_ =
        std::make_shared<const Snapshot>(std::move(eligible), left_out, generation_.load(std::memory_order_relaxed));
    snapshot_version_ = version_;
  }

  // First, so that readers compare it on a line that only publishing writes.
  alignas(64) std::atomic<std::uint64_t> generation_{1};
  const OutlierDetection rules_;
  const SlowStart slow_start_;
  typename Load::Options options_;
  const std::uint64_t router_;  // its mark, see `EndpointKey`
  const std::shared_ptr<EngineTable> engines_;
  alignas(64) mutable std::mutex mutex_;
  Members members_;
  std::uint64_t version_ = 0;
  std::uint64_t incarnations_ = 0;
  mutable std::uint64_t snapshot_version_ = 0;        // when it was built
  mutable std::shared_ptr<const Snapshot> snapshot_;  // null if out of date
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
