// SPDX-License-Identifier: Apache-2.0
// ListChange: makes the endpoints of a list the members of a role.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/detail/check_endpoints.hpp>
#include <pdroute/pool/detail/membership_edit.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The steps by which members come, stay, change and leave when a list is assigned. See `EndpointPool::assign` for what
/// they mean.
/// Thread safety: `apply` may be called from many threads at once; the others are for edits, under the pool's lock.
template <class Membership>
class ListChange {
 public:
  using Slot = typename Membership::Slot;
  using Members = typename Membership::Members;
  using Member = typename Membership::Member;
  using Edit = typename Membership::Edit;
  using Endpoint = typename Slot::Endpoint;
  using Listing = typename Slot::Listing;
  using Listed = detail::Listed<Endpoint>;

  /// Makes the listed endpoints members. Members that are not listed leave, unless `stays(member)`.
  ///
  /// New slots and descriptions are made before the lock is taken, because that copies the caller's endpoints. If the list
  /// of members has changed meanwhile, it begins anew.
  template <class Stays>
  static void apply(Membership& membership, Assignment<Endpoint>& report, const std::vector<Listed>& listed,
                    const Stays& stays) {
    struct Prepared {
      detail::OwnedSlot<Slot> slot;
      std::unique_ptr<Listing> listing;
    };
    bool done = false;
    while (!done) {
      std::uint64_t version = 0;
      std::vector<Need> needs;
      needs.reserve(listed.size());
      membership.read([&](const Members& members) {
        version = membership.version();
        const auto departed = members.departed_by_id();
        for (const Listed& entry : listed) needs.push_back(need_of(members, departed, entry));
      });
      std::vector<Prepared> prepared(listed.size());
      for (std::size_t i = 0; i < listed.size(); ++i) {
        const Endpoint& endpoint = *listed[i].endpoint;
        if (needs[i] == Need::slot) prepared[i].slot = membership.make_slot(endpoint, listed[i].weight);
        if (needs[i] == Need::listing) prepared[i].listing = std::make_unique<Listing>(endpoint);
      }
      Assignment<Endpoint> changes;
      membership.edit([&](Edit& edit, const Members& members) {
        if (version != membership.version()) return false;
        done = true;
        // Each member that is listed as the same life stays; the others leave.
        std::unordered_map<EndpointIdView<Endpoint>, std::size_t> entry_of;
        entry_of.reserve(listed.size());
        for (std::size_t i = 0; i < listed.size(); ++i) entry_of.emplace(listed[i].id, i);
        std::vector<bool> kept(listed.size(), false);
        // Members that join others, which can serve meanwhile, start slowly.
        const auto begin = [&, others = members.size() > 0](Member& member) {
          if (others) member.begin_slow_start(membership.slow_start());
        };
        for (Member member : edit.next.take_all()) {
          const auto entry = entry_of.find(member.slot->id());
          const bool same = entry != entry_of.end() && is_life(member, listed[entry->second]);
          if (same) {
            kept[entry->second] = true;
            if (member.left) begin(member);
            take_over(edit, member, listed[entry->second], std::move(prepared[entry->second].listing), changes);
            edit.next.add(member);
          } else if (entry == entry_of.end() && stays(member)) {
            edit.next.add(member);
          } else {
            changes.removed.emplace_back(member.slot->id());
            depart(edit, member);
            edit.publish = true;
          }
        }
        const auto departed = edit.next.departed_by_id();
        for (std::size_t i = 0; i < listed.size(); ++i) {
          (kept[i] ? changes.kept : changes.added).emplace_back(listed[i].id);
          if (kept[i]) continue;
          edit.publish = true;
          if (const Member* const back = Members::life_in(departed, listed[i].id, listed[i].life_key)) {
            Member member = *back;
            edit.next.mark_back(back);
            take_over(edit, member, listed[i], std::move(prepared[i].listing), changes);
            begin(member);
            come_back(edit, member);
          } else {
            Member member =
                new_member(membership, edit.own(std::move(prepared[i].slot)), listed[i], members.find(listed[i].id));
            begin(member);
            edit.next.add(member);
          }
        }
        edit.next.take_out_marked();
        return true;
      });
      if (!done) continue;
      report.added = std::move(changes.added);
      report.removed = std::move(changes.removed);
      report.kept = std::move(changes.kept);
      report.changed = std::move(changes.changed);
      report.deferred = std::move(changes.deferred);
    }
  }
  /// The member leaves. A life that may come back is remembered.
  static void depart(Edit& edit, const Member& member) {
    if constexpr (detail::HasIncarnationKey<Endpoint>) {
      edit.close(member.slot);
      edit.next.departed().push_back(member);
    } else {
      edit.remove(member.slot);
    }
  }
  /// A life that was remembered is a member again.
  static void come_back(Edit& edit, Member& member) {
    if (std::exchange(member.left, false)) member.draining = false;
    if (!member.draining) edit.reopen(member.slot);
    edit.next.add(member);
  }
  /// A new life. One that is back from the other role, `before`, brings its health and intake.
  [[nodiscard]] static Member new_member(Membership& membership, Slot* slot, const Listed& entry,
                                         const Member* before) {
    slot->number(membership.next_incarnation());
    slot->set_capacity(entry.capacity);
    Member member{.slot = slot,
                  .health = entry.health,
                  .intake = entry.intake,
                  .capacity = entry.capacity,
                  .listed_capacity = entry.capacity,
                  .weight = entry.weight};
    if (before != nullptr && before->left) {
      member.health = before->health;
      member.intake = before->intake;
    }
    return member;
  }

 private:
  /// What must be made for an entry before the lock is taken.
  enum class Need : std::uint8_t { nothing, slot, listing };
  [[nodiscard]] static Need need_of(const Members& members, const auto& departed, const Listed& entry) {
    const Member* member = members.find(entry.id);
    if (member == nullptr || !is_life(*member, entry)) {
      member = Members::life_in(departed, entry.id, entry.life_key);
      if (member == nullptr) return Need::slot;
    }
    const bool same = detail::same_description(member->slot->endpoint(), *entry.endpoint);
    return same || !member->slot->may_relist() ? Need::nothing : Need::listing;
  }
  /// Whether an entry of a list names this life of a member. A life that left for the other role is another one, unless
  /// its incarnation key says that it is the same.
  [[nodiscard]] static bool is_life(const Member& member, const Listed& entry) {
    return (!member.left || detail::HasIncarnationKey<Endpoint>) && member.slot->life_key() == entry.life_key;
  }
  /// Takes over what the list says of a life that goes on.
  static void take_over(Edit& edit, Member& member, const Listed& entry, std::unique_ptr<Listing> listing,
                        Assignment<Endpoint>& changes) {
    bool changed = listing != nullptr;
    if (listing == nullptr && !member.slot->may_relist()) {
      changes.deferred.emplace_back(entry.id);
      edit.publish = true;  // so that the descriptions of now are shown by no snapshot soon
    }
    if (listing != nullptr) edit.relist(member.slot, std::move(listing));
    if (!(member.listed_capacity == entry.capacity)) {
      member.listed_capacity = entry.capacity;
      member.capacity = entry.capacity;
      edit.limit(member.slot, entry.capacity);
      changed = true;
    }
    if (member.weight != entry.weight) {
      member.weight = entry.weight;
      edit.weigh(member.slot, entry.weight);
      edit.publish = true;
      changed = true;
    }
    if (std::exchange(member.left, false)) {  // back from the other role
      member.draining = false;
      edit.reopen(member.slot);
      edit.publish = true;
    }
    if (changed) changes.changed.emplace_back(entry.id);
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
