// SPDX-License-Identifier: Apache-2.0
// MembershipEdit: one change of a role's members, prepared beside the present ones and then published as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/capacity.hpp>
#include <pdroute/load/engine_load.hpp>
#include <pdroute/pool/detail/members.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Ends the membership's hold on a slot: closes it and ends its pin.
struct RetireSlot {
  template <class Slot>
  void operator()(Slot* slot) const noexcept {
    slot->close();
    Slot::end_pin(slot);
  }
};
template <class Slot>
using OwnedSlot = std::unique_ptr<Slot, RetireSlot>;

/// Ends a pin.
struct EndPin {
  template <class Slot>
  void operator()(Slot* slot) const noexcept {
    Slot::end_pin(slot);
  }
};
template <class Slot>
using PinnedSlot = std::unique_ptr<Slot, EndPin>;

/// The members as they will be, and what the change brings in and takes out.
///
/// Created before the pool's lock is taken and destroyed after it is free, because it owns what the change lets go of:
/// dropping a slot may destroy the caller's endpoint, whose destructor may call the pool. If the change throws, the
/// new slots die with it and the pool is as it was.
template <class Slot, class Snapshot>
class MembershipEdit {
 public:
  using Member = detail::Member<Slot>;
  using Listing = typename Slot::Listing;

  explicit MembershipEdit(const OutlierDetection& rules) : next(rules) {}

  /// Takes over a slot that will become a member.
  [[nodiscard]] Slot* own(OwnedSlot<Slot> slot) { return fresh_.emplace_back(std::move(slot)).get(); }
  /// The slot will take no more leases, once the edit is published.
  void close(Slot* slot) { closing_.push_back(slot); }
  /// The slot, which was closed, takes leases again, once the edit is published.
  void reopen(Slot* slot) { opening_.push_back(slot); }
  /// Closes the slot and lets go of it. The caller takes it out of `next`.
  void remove(Slot* slot) {
    close(slot);
    let_go(slot);
  }
  /// Lets go of the slot. The caller takes it out of `next`.
  void let_go(Slot* slot) {
    leaving_.push_back(slot);
    removed_.emplace_back();  // room for it, so that `published` cannot throw
  }
  /// The slot will have this description, once the edit is published.
  void relist(Slot* slot, std::unique_ptr<Listing> listing) { relisted_.emplace_back(slot, std::move(listing)); }

  /// The slot will have these limits.
  void limit(Slot* slot, const Capacity& capacity) { limits_.emplace_back(slot, capacity); }
  /// The slot's engine will have these limits. Returns whether it has others now.
  bool limit_engine(Slot* slot, const Capacity& capacity) {
    if constexpr (counts_engines<Slot>) {
      if (slot->engine_capacity() == capacity) return false;
      engine_limits_.emplace_back(slot, capacity);
      return true;
    } else {
      return false;
    }
  }
  /// The slot will have this weight.
  void weigh(Slot* slot, std::uint64_t weight) { weights_.emplace_back(slot, weight); }

  /// The edit has been published: new leases find other members. Takes over what the pool no longer holds. A request
  /// that a closed slot refuses finds a snapshot without that slot.
  void published(std::shared_ptr<const Snapshot> old, std::uint64_t version) noexcept {
    old_ = std::move(old);
    for (auto& [slot, listing] : relisted_) slot->relist(std::move(listing), version);
    for (const auto& [slot, capacity] : limits_) slot->set_capacity(capacity);
    if constexpr (counts_engines<Slot>) {
      for (const auto& [slot, capacity] : engine_limits_) slot->set_engine_capacity(capacity);
    }
    for (const auto& [slot, weight] : weights_) slot->weigh(weight);
    for (Slot* slot : closing_) slot->close();
    for (Slot* slot : opening_) slot->reopen();  // last: a life that leaves and comes back in one edit is open
    for (OwnedSlot<Slot>& slot : fresh_) static_cast<void>(slot.release());
    for (std::size_t i = 0; i < leaving_.size(); ++i) removed_[i].reset(leaving_[i]);
  }

  Members<Slot> next;
  bool publish = false;                          ///< whether the eligible may change
  std::vector<std::unique_ptr<Listing>> unused;  ///< descriptions that nobody sees any more

 private:
  std::vector<OwnedSlot<Slot>> fresh_;
  std::vector<Slot*> closing_;
  std::vector<Slot*> opening_;
  std::vector<std::pair<Slot*, std::unique_ptr<Listing>>> relisted_;
  std::vector<std::pair<Slot*, Capacity>> limits_;
  std::vector<std::pair<Slot*, Capacity>> engine_limits_;
  std::vector<std::pair<Slot*, std::uint64_t>> weights_;
  std::vector<Slot*> leaving_;
  std::vector<OwnedSlot<Slot>> removed_;  // as many as `leaving_`, empty until published
  std::shared_ptr<const Snapshot> old_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
