// SPDX-License-Identifier: Apache-2.0
// MembershipEdit: one change of a role's members, prepared beside the present ones and then published as a whole.
#pragma once

#include <cstddef>
#include <memory>
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

/// The members as they will be, and what the change brings in and takes out.
///
/// Created before the pool's lock is taken and destroyed after it is free, because it owns what the change lets go of:
/// dropping a slot may destroy the caller's endpoint, whose destructor may call the pool. If the change throws, the
/// new slots die with it and the pool is as it was.
template <class Slot, class Snapshot>
class MembershipEdit {
 public:
  using Member = detail::Member<Slot>;

  explicit MembershipEdit(const OutlierDetection& rules) : next(rules) {}

  /// Takes over the slot that `make` returns, before anything else can throw. `add` then makes it a member.
  template <class Make>
  [[nodiscard]] Slot* own(const Make& make) {
    OwnedSlot<Slot>& place = fresh_.emplace_back();
    place.reset(make());
    return place.get();
  }
  /// Adds a new life, whose slot the edit owns.
  void add(const Member& member) {
    next.add(member);
    publish = true;
  }
  /// The slot will take no more leases, once the edit is published.
  void close(Slot* slot) {
    closing_.push_back(slot);
    publish = true;
  }
  /// Closes the slot and lets go of it. The caller takes it out of `next`.
  void remove(Slot* slot) {
    close(slot);
    leaving_.push_back(slot);
    removed_.emplace_back();  // room for it, so that `published` cannot throw
  }

  /// The edit has been published: closes what takes no more leases, and takes over what the pool no longer holds. A
  /// request that a closed slot refuses finds a snapshot without that slot.
  void published(std::shared_ptr<const Snapshot> old) noexcept {
    old_ = std::move(old);
    for (Slot* slot : closing_) slot->close();
    for (OwnedSlot<Slot>& slot : fresh_) static_cast<void>(slot.release());
    for (std::size_t i = 0; i < leaving_.size(); ++i) removed_[i].reset(leaving_[i]);
  }

  Members<Slot> next;
  bool publish = false;  ///< whether the snapshot changes; else `next` alone takes effect

 private:
  std::vector<OwnedSlot<Slot>> fresh_;
  std::vector<Slot*> closing_;
  std::vector<Slot*> leaving_;
  std::vector<OwnedSlot<Slot>> removed_;  // as many as `leaving_`, empty until published
  std::shared_ptr<const Snapshot> old_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
