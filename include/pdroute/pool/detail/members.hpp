// SPDX-License-Identifier: Apache-2.0
// Members: all members of a role, and what follows from them together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/engine_rows.hpp>
#include <pdroute/pool/detail/member.hpp>
#include <pdroute/pool/detail/outlier_detector.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The members in registration order, and the lives that may come back.
/// Thread safety: guarded by the pool's lock.
template <class Slot>
class Members {
 public:
  using Endpoint = typename Slot::Endpoint;
  using Member = detail::Member<Slot>;

  explicit Members(const OutlierDetection& rules) : rules_(rules) {}

  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }
  [[nodiscard]] const Member& operator[](std::size_t i) const noexcept { return all_[i]; }
  [[nodiscard]] auto begin() const noexcept { return all_.begin(); }
  [[nodiscard]] auto end() const noexcept { return all_.end(); }
  [[nodiscard]] Member& at(std::size_t i) noexcept { return all_[i]; }

  // A change of the list is prepared in a copy without an index, which is indexed before it takes effect.

  [[nodiscard]] Members copy() const {
    Members next(rules_);
    next.all_ = all_;
    next.departed_ = departed_;
    next.most_ = most_;
    return next;
  }
  Member& add(const Member& member) { return all_.emplace_back(member); }
  void remove(const Member* member) { all_.erase(all_.begin() + (member - all_.data())); }
  /// Leaves room for as many, and for `more` of them.
  [[nodiscard]] std::vector<Member> take_all(std::size_t more) {
    auto all = std::exchange(all_, {});
    all_.reserve(all.size() + more);
    return all;
  }
  [[nodiscard]] std::vector<Member>& departed() noexcept { return departed_; }
  [[nodiscard]] const std::vector<Member>& departed() const noexcept { return departed_; }
  /// The departed lives by id, or those with this id alone, for one look-up.
  [[nodiscard]] auto departed_by_id(std::optional<EndpointIdView<Endpoint>> only = {}) const {
    std::unordered_multimap<EndpointIdView<Endpoint>, const Member*> by_id;
    if (!only) by_id.reserve(departed_.size());
    for (const Member& member : departed_) {
      if (!only || member.slot->id() == *only) by_id.emplace(member.slot->id(), &member);
    }
    return by_id;
  }
  /// The life with this id and key among those of `departed_by_id`, or null.
  template <class Key>
  [[nodiscard]] static const Member* life_in(const auto& departed, EndpointIdView<Endpoint> id, const Key& key) {
    const auto [first, last] = departed.equal_range(id);
    const auto found =
        std::find_if(first, last, [&](const auto& each) { return each.second->slot->life_key() == key; });
    return found == last ? nullptr : found->second;
  }
  // Lives that come back are marked first and then taken out together, so that pointers to the others stay valid.
  void mark_back(const Member* back) noexcept {
    departed_[static_cast<std::size_t>(back - departed_.data())].slot = nullptr;
  }
  void take_out_marked() {
    std::erase_if(departed_, [](const Member& member) { return member.slot == nullptr; });
  }
  /// The most members there have ever been at once.
  [[nodiscard]] std::size_t most() const noexcept { return most_; }
  void index() {
    most_ = std::max(most_, all_.size());
    index_.clear();
    index_.reserve(all_.size());
    for (std::size_t i = 0; i < all_.size(); ++i) index_.emplace(all_[i].slot->id(), i);
  }

  /// Null if no member has this id. O(1) on average, or O(members) in a copy without an index.
  [[nodiscard]] Member* find(EndpointIdView<Endpoint> id) noexcept {
    return const_cast<Member*>(std::as_const(*this).find(id));
  }
  [[nodiscard]] const Member* find(EndpointIdView<Endpoint> id) const noexcept {
    if (index_.size() == all_.size()) {
      const auto found = index_.find(id);
      return found == index_.end() ? nullptr : &all_[found->second];
    }
    const auto found = std::find_if(begin(), end(), [id](const Member& member) { return member.slot->id() == id; });
    return found == end() ? nullptr : &*found;
  }

  /// Calls `act(member)` for each endpoint of an engine. O(members), or O(1) on average if the id names the engine.
  template <class Act>
  void each_of(EndpointInstanceView<Endpoint> instance, const Act& act) {
    if constexpr (HasInstance<Endpoint>) {
      const std::uint64_t engine = detail::view_hash(instance);
      for (Member& member : all_) {
        if (member.slot->engine() == engine) act(member);
      }
    } else if (Member* const member = find(instance)) {
      act(*member);
    }
  }
  /// What a router reports of each member.
  [[nodiscard]] std::vector<EndpointStatus<Endpoint>> statuses() const {
    std::vector<EndpointStatus<Endpoint>> statuses;
    statuses.reserve(size());
    const Lenience now = lenience();
    for (const Member& member : all_) statuses.push_back(member.status(now));
    return statuses;
  }
  /// What rules each member out; null for an eligible one.
  [[nodiscard]] std::vector<Reason> ruled_out() const {
    std::vector<Reason> reasons;
    reasons.reserve(size());
    const Lenience now = lenience();
    for (const Member& member : all_) reasons.push_back(member.ruled_out(now));
    return reasons;
  }
  /// Whether the member is eligible and no other is.
  [[nodiscard]] bool is_last_eligible(const Member& member) const {
    const auto eligible = [now = lenience()](const Member& each) { return each.ruled_out(now) == nullptr; };
    return eligible(member) && std::count_if(begin(), end(), eligible) == 1;
  }

  /// What follows from how many members serve and how many are healthy. O(members), or O(1) if neither rule is on.
  [[nodiscard]] Lenience lenience() const noexcept {
    if (!rules_.on() && !(rules_.fail_open_threshold > 0)) return {};
    std::size_t counted = 0;
    std::size_t healthy = 0;
    for (const Member& member : all_) {
      counted += member.counts() ? 1U : 0U;
      healthy += member.eligible() ? 1U : 0U;
    }
    return {.panic = rules_.on() && rules_.panics(serving_in_full(), counted),
            .fail_open = rules_.fails_open(healthy, counted)};
  }

  // The steps of `EngineRows`, if outlier detection is on.
  void watch_engines(EngineRows& rows) const {
    if (rules_.on()) OutlierDetector<Member>::watch_engines(rows, all_);
  }
  void add_rows(EngineRows& rows) const {
    if (rules_.on()) OutlierDetector<Member>::add_rows(rows, all_);
  }
  /// One step of time for outlier detection. `bound_probes` is due after it.
  void advance(std::int64_t now, const EngineRows& rows) {
    if (rules_.on()) OutlierDetector<Member>(rules_, rows, all_, now).advance();
  }
  /// Bounds the probes of members that are ejected or probed: only while other members serve in full. In panic no
  /// member is held back for failing, also not one that fails from now on.
  void bound_probes() const noexcept {
    if (!rules_.on()) return;
    const bool in_panic = lenience().panic;
    const bool bounded = serving_in_full() > 0 && !in_panic;
    for (const Member& member : all_) {
      const bool everybody = member.ejection.phase == EjectionPhase::none ? in_panic : !bounded;
      if ((member.slot->admission().state().everybody != 0) != everybody)
        member.slot->admit([everybody](auto& admission) { admission.let_everybody_in(everybody); });
    }
  }

  /// The slots of the eligible members, and behind them those of members that take bound sessions only. Counts in
  /// `left_out` why the others are not there, and as `bound_only` those that are behind; and says when the first of
  /// those that are out for a time may be back.
  [[nodiscard]] std::vector<Slot*> eligible(NoEndpoint& left_out) const {
    std::vector<Slot*> slots;
    slots.reserve(size());
    std::vector<Slot*> behind;
    const Lenience now = lenience();
    for (const Member& member : all_) {
      const Reason reason = member.ruled_out(now);
      if (reason == nullptr) {
        slots.push_back(member.slot);
        continue;
      }
      ++(left_out.*reason);
      if (const auto until = member.until(); until && (reason == &NoEndpoint::full || reason == &NoEndpoint::ejected))
        left_out.until = std::min(left_out.until.value_or(*until), *until);
      if (reason == &NoEndpoint::bound_only) behind.push_back(member.slot);
    }
    slots.insert(slots.end(), behind.begin(), behind.end());
    return slots;
  }

 private:
  [[nodiscard]] std::size_t serving_in_full() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(begin(), end(), [](const Member& member) { return member.serves_in_full(); }));
  }

  OutlierDetection rules_;
  std::vector<Member> all_;
  std::unordered_map<EndpointIdView<Endpoint>, std::size_t> index_;  // by id, which the slot owns
  std::size_t most_ = 0;
  std::vector<Member> departed_;  // lives with an incarnation key that no list names at present, the oldest first
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
