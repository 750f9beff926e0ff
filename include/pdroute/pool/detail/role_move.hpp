// SPDX-License-Identifier: Apache-2.0
// RoleMove: an endpoint leaves one role and joins the other.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/detail/check_endpoints.hpp>
#include <pdroute/pool/detail/list_change.hpp>
#include <pdroute/pool/role_change.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The two halves of a change of role; see `EndpointPool::leave` and `join`. The endpoint is copied before the lock is
/// taken.
/// Thread safety: both may be called from many threads at once.
template <class Membership>
class RoleMove {
 public:
  using Slot = typename Membership::Slot;
  using Members = typename Membership::Members;
  using Member = typename Membership::Member;
  using Edit = typename Membership::Edit;
  using Endpoint = typename Slot::Endpoint;
  using Change = ListChange<Membership>;

  template <class Fits>
  static DepartingEndpoint<Endpoint> leave(Membership& membership, EndpointIdView<Endpoint> id, LastEndpoint last,
                                           const Fits& fits) {
    DepartingEndpoint<Endpoint> departing;
    departing.change = RoleChange::no_such_endpoint;
    const auto pinned = membership.pinned(id);
    if (pinned == nullptr) return departing;
    const bool fitting = fits(pinned->endpoint());
    if (fitting) departing.endpoint.emplace(pinned->endpoint());
    membership.edit([&](Edit& edit, const Members& members) {
      Member* const member = edit.next.find(id);
      if (member == nullptr || member->slot != pinned.get()) return false;
      departing.change = last == LastEndpoint::keep && members.is_last_eligible(*member) ? RoleChange::last_of_its_role
                         : !fitting                                                      ? RoleChange::capacity_refused
                                                                                         : RoleChange::done;
      if (departing.change != RoleChange::done) return false;
      departing.health = member->health;
      departing.intake = member->intake;
      departing.paused_until = std::chrono::nanoseconds{member->paused_until};
      departing.paused_for = std::chrono::nanoseconds{member->paused_for};
      member->draining = true;
      member->left = true;
      edit.close(member->slot);
      edit.publish = true;
      return true;
    });
    if (departing.change != RoleChange::done) departing.endpoint.reset();
    return departing;
  }
  static bool join(Membership& membership, const DepartingEndpoint<Endpoint>& departing, Listed<Endpoint> listed) {
    auto slot = membership.make_slot(*departing.endpoint, listed.weight);
    auto listing = std::make_unique<typename Slot::Listing>(*departing.endpoint);
    return membership.edit([&](Edit& edit, const Members& /*members*/) {
      if (Member* const member = edit.next.find(listed.id)) {
        if (!member->draining) return false;
        Change::depart(edit, *member);
        edit.next.remove(member);
      }
      // Members that join others, which can serve meanwhile, start slowly.
      const auto begin = [&, others = edit.next.size() > 0](Member& member) {
        if (others) member.begin_slow_start(membership.slow_start());
      };
      if (const Member* const before =
              Members::life_in(edit.next.departed_by_id(listed.id), listed.id, listed.life_key)) {
        Member member = *before;
        edit.next.mark_back(before);
        edit.next.take_out_marked();
        if (member.left || !member.draining) {
          const bool room = member.slot->may_relist();
          Change::take_over(edit, member, listed, room ? std::move(listing) : nullptr, !room);
          arrive(departing, member);
          begin(member);
          Change::come_back(edit, member);
          return true;
        }
        edit.let_go(member.slot);  // a drain is final, so the endpoint begins a new life
      }
      Member& added = Change::add_new(membership, edit, std::move(slot), listed, nullptr);
      arrive(departing, added);
      begin(added);
      return true;
    });
  }

 private:
  static void arrive(const DepartingEndpoint<Endpoint>& departing, Member& member) noexcept {
    member.health = departing.health;
    member.intake = departing.intake;
    member.paused_until = departing.paused_until.count();
    member.paused_for = departing.paused_for.count();
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
