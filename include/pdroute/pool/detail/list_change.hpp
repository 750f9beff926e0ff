// SPDX-License-Identifier: Apache-2.0
// ListChange: makes the endpoints of a list the members of a role.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/config_error.hpp>
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

  /// Makes the listed endpoints members. Members that are not listed leave, unless `stays(member)`. False: the members
  /// are not `allowed(members)`, and nothing has changed.
  ///
  /// New slots and descriptions are made before the lock is taken, because that runs the caller's code. If the list of
  /// members has changed meanwhile, it begins anew.
  template <class Allowed, class Stays>
  static bool apply(Membership& membership, Assignment<Endpoint>& report, const std::vector<Listed>& listed,
                    const Allowed& allowed, const Stays& stays) {
    while (true) {
      std::uint64_t version = 0;
      auto prepared = look_up(membership, listed, allowed, version);
      if (!prepared) return false;
      for (std::size_t i = 0; i < listed.size(); ++i) prepare(membership, listed[i], (*prepared)[i]);
      Assignment<Endpoint> changes;
      const bool done = membership.edit([&](Edit& edit, const Members& members) {
        if (version != membership.version()) return false;
        take_list(membership, edit, members, listed, *prepared, stays, changes);
        return true;
      });
      if (!done) continue;
      report.added = std::move(changes.added);
      report.removed = std::move(changes.removed);
      report.kept = std::move(changes.kept);
      report.changed = std::move(changes.changed);
      report.deferred = std::move(changes.deferred);
      return true;
    }
  }
  /// Makes one listed endpoint a member. `known`: a member has its id already; else none has. Returns what is wrong.
  static std::optional<ConfigError> put(Membership& membership, Listed listed, bool known) {
    const EndpointIdView<Endpoint> id = listed.id;
    Assignment<Endpoint> report;
    const bool done = apply(
        membership, report, {std::move(listed)},
        [&](const Members& members) { return (members.find(id) != nullptr) == known; },
        [](const Member& /*member*/) { return true; });
    if (done) return std::nullopt;
    return ConfigError{known ? ConfigError::Rule::id_known : ConfigError::Rule::id_unique,
                       detail::id_text<Endpoint>(id)};
  }
  /// The member leaves. A life that may come back is remembered.
  static void depart(Edit& edit, const Member& member) {
    edit.publish = true;
    if constexpr (detail::HasIncarnationKey<Endpoint>) {
      edit.close(member.slot);
      edit.next.departed().push_back(member);
    } else {
      edit.remove(member.slot);
    }
  }
  /// A life that was remembered is a member again. One that drained, and not because it took the other role, still
  /// does.
  static void come_back(Edit& edit, Member& member) {
    edit.publish = true;
    if (std::exchange(member.left, false)) member.draining = false;
    if (!member.draining) edit.reopen(member.slot);
    edit.next.add(member);
  }
  /// A new life. One that is back from the other role, `before`, brings its health and intake.
  static Member& add_new(Membership& membership, Edit& edit, OwnedSlot<Slot> made, const Listed& entry,
                         const Member* before) {
    edit.publish = true;
    Slot* const slot = edit.own(std::move(made));
    slot->number(membership.next_incarnation());
    slot->set_capacity(entry.capacity);
    edit.limit_engine(slot, entry.engine_capacity);
    Member member{.slot = slot,
                  .health = entry.health,
                  .intake = entry.intake,
                  .capacity = entry.capacity,
                  .listed_capacity = entry.capacity,
                  .weight = entry.weight};
    if (before != nullptr && before->left) {
      member.health = before->health;
      member.intake = before->intake;
      member.paused_until = before->paused_until;
      member.paused_for = before->paused_for;
    }
    return edit.next.add(member);
  }
  /// Takes over what an entry says of a life that goes on. `deferred`: there was no room for its description. Returns
  /// whether anything has changed.
  static bool take_over(Edit& edit, Member& member, const Listed& entry, std::unique_ptr<Listing> listing,
                        bool deferred) {
    bool changed = listing != nullptr;
    if (listing != nullptr) {
      edit.relist(member.slot, std::move(listing));
      ++member.relisted;
    }
    // Earlier descriptions can be let go once no snapshot may show them, so now and then there is a new one.
    if (deferred || member.relisted >= Listing::max_shown) {
      member.relisted = 0;
      edit.publish = true;
    }
    if (!(member.listed_capacity == entry.capacity)) {
      member.listed_capacity = entry.capacity;
      member.capacity = entry.capacity;
      edit.limit(member.slot, entry.capacity);
      changed = true;
    }
    if (edit.limit_engine(member.slot, entry.engine_capacity)) changed = true;
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
    return changed;
  }

 private:
  /// What is made for an entry before the lock is taken.
  struct Prepared {
    bool known = false;             // a life that goes on
    bool full = false;              // it cannot take another description now
    PinnedSlot<Slot> compare_with;  // it, if its description can be compared
    OwnedSlot<Slot> slot;           // for a new life
    std::unique_ptr<Listing> listing;
    bool deferred = false;
  };

  /// Finds the lives that the entries name. Nothing if the members are not `allowed`.
  template <class Allowed>
  [[nodiscard]] static std::optional<std::vector<Prepared>> look_up(Membership& membership,
                                                                    const std::vector<Listed>& listed,
                                                                    const Allowed& allowed, std::uint64_t& version) {
    std::optional<std::vector<Prepared>> all(std::in_place, listed.size());
    const bool may = membership.read([&](const Members& members) {
      if (!allowed(members)) return false;
      version = membership.version();
      const auto departed = members.departed_by_id(only_id(listed));
      for (std::size_t i = 0; i < listed.size(); ++i) {
        const Member* member = members.find(listed[i].id);
        if (member == nullptr || !is_life(*member, listed[i]))
          member = Members::life_in(departed, listed[i].id, listed[i].life_key);
        if (member == nullptr) continue;
        Prepared& prepared = (*all)[i];
        prepared.known = true;
        prepared.full = !member->slot->may_relist();
        if constexpr (detail::comparable<Endpoint>) {
          member->slot->pin();
          prepared.compare_with.reset(member->slot);
        }
      }
      return true;
    });
    if (!may) all.reset();
    return all;
  }
  static void prepare(Membership& membership, const Listed& entry, Prepared& prepared) {
    if (!prepared.known) {
      prepared.slot = membership.make_slot(*entry.endpoint, entry.weight);
      return;
    }
    if constexpr (detail::comparable<Endpoint>) {
      const auto life =
          std::move(prepared.compare_with);  // the pin ends here, so that old descriptions can be collected
      if (life->endpoint() == *entry.endpoint) return;
    }
    if (prepared.full) {
      prepared.deferred = true;
    } else {
      prepared.listing = std::make_unique<Listing>(*entry.endpoint);
    }
  }
  /// Each member that is listed as the same life stays; the others leave. The other entries come after them.
  template <class Stays>
  static void take_list(Membership& membership, Edit& edit, const Members& members, const std::vector<Listed>& listed,
                        std::vector<Prepared>& prepared, const Stays& stays, Assignment<Endpoint>& changes) {
    std::unordered_map<EndpointIdView<Endpoint>, std::size_t> entry_of;
    entry_of.reserve(listed.size());
    for (std::size_t i = 0; i < listed.size(); ++i) entry_of.emplace(listed[i].id, i);
    std::vector<bool> kept(listed.size(), false);
    // Members that join others, which can serve meanwhile, start slowly.
    const auto begin = [&, others = members.size() > 0](Member& member) {
      if (others) member.begin_slow_start(membership.slow_start());
    };
    std::vector<bool> changed(listed.size(), false);
    for (Member member : edit.next.take_all(listed.size())) {
      const auto entry = entry_of.find(member.slot->id());
      if (entry != entry_of.end() && is_life(member, listed[entry->second])) {
        kept[entry->second] = true;
        Prepared& made = prepared[entry->second];
        if (member.left) begin(member);
        changed[entry->second] = take_over(edit, member, listed[entry->second], std::move(made.listing), made.deferred);
        edit.next.add(member);
      } else if (entry == entry_of.end() && stays(member)) {
        edit.next.add(member);
      } else {
        changes.removed.emplace_back(member.slot->id());
        depart(edit, member);
      }
    }
    const auto departed = edit.next.departed_by_id(only_id(listed));
    for (std::size_t i = 0; i < listed.size(); ++i) {
      Prepared& made = prepared[i];
      (kept[i] ? changes.kept : changes.added).emplace_back(listed[i].id);
      if (changed[i]) changes.changed.emplace_back(listed[i].id);
      if (made.deferred) changes.deferred.emplace_back(listed[i].id);
      if (kept[i]) continue;
      if (const Member* const back = Members::life_in(departed, listed[i].id, listed[i].life_key)) {
        Member member = *back;
        edit.next.mark_back(back);
        take_over(edit, member, listed[i], std::move(made.listing), made.deferred);
        begin(member);
        come_back(edit, member);
      } else {
        begin(add_new(membership, edit, std::move(made.slot), listed[i], members.find(listed[i].id)));
      }
    }
    edit.next.take_out_marked();
  }
  /// The id of a list of one entry, in which no other is looked up.
  [[nodiscard]] static std::optional<EndpointIdView<Endpoint>> only_id(const std::vector<Listed>& listed) {
    return listed.size() == 1 ? std::optional{listed.front().id} : std::nullopt;
  }
  /// Whether an entry of a list names this life of a member. A life that left for the other role is another one, unless
  /// its incarnation key says that it is the same.
  [[nodiscard]] static bool is_life(const Member& member, const Listed& entry) {
    return (!member.left || detail::HasIncarnationKey<Endpoint>) && member.slot->life_key() == entry.life_key;
  }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
