// SPDX-License-Identifier: Apache-2.0
// Leg: one role's half of a dispatcher. The steps of a request through it:
// 1. `refresh` compares the pool's generation with that of the snapshot in hand, and fetches a newer one if need be.
// 2. `choose` asks the policy for one of the candidates: the eligible, and perhaps the session's home (see home.hpp).
// 3. It reserves the chosen slot by one compare-and-swap: this is the usual end.
// 4. A closed slot refuses: a newer snapshot has been published, so fetch it and ask again.
// 5. A full slot refuses: `choose_among` screens the candidates once and asks the policy over those with room.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/detail/rotation_start.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/choice.hpp>
#include <pdroute/router/detail/home.hpp>
#include <pdroute/router/detail/leg_filter.hpp>
#include <pdroute/router/detail/reported_limits.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/detail/screening.hpp>
#include <pdroute/router/detail/verdict.hpp>
#include <pdroute/router/filter.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

template <Role role, class Policy, class Endpoint, class Clock>
class DryRun;

/// The snapshot that one dispatcher reads for one role, and what the policy remembers there. The policy and the pool
/// must outlive it.
/// Thread safety: thread-compatible, like the dispatcher that owns it.
template <Role role_of_leg, class Policy, class Endpoint, class CallersClock>
class Leg {
 public:
  static constexpr Role role = role_of_leg;
  static constexpr Role other_role = role == Role::prefill ? Role::decode : Role::prefill;
  using Pool = EndpointPool<role, Endpoint, OnClock<LoadOf<Policy>, typename TimePointOf<CallersClock>::clock>>;
  using Slot = typename Pool::Slot;
  using State = StateOf<Policy>;
  using Choice = detail::Choice<Slot, LoadOf<Policy>>;

  /// The leg of the `number`-th dispatcher of a router with this seed.
  Leg(const Policy& policy, const Pool& pool, std::uint64_t seed, std::uint64_t number)
      : policy_(&policy), pool_(&pool), state_(detail::make_state(policy, stream_of(seed, role, number))) {
    static_cast<void>(fetch());
  }

  /// Makes sure that the next choice sees every change that had been published before this call.
  void refresh() {
    if (pool_->generation() != generation_) [[unlikely]]
      static_cast<void>(fetch());
  }

  /// Refreshes, and returns the old snapshot for the caller to drop later, because dropping it may destroy endpoints.
  [[nodiscard]] std::shared_ptr<const void> exchange() {
    return pool_->generation() != generation_ ? fetch() : nullptr;
  }

  [[nodiscard]] const std::size_t& size() const noexcept { return candidates_.size(); }
  [[nodiscard]] bool empty() const noexcept { return detail::nothing_in<Policy>(candidates_); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

  /// Where the policy's state stands, to return to when a choice is taken back.
  [[nodiscard]] auto cursor() const { return detail::cursor_of(state_); }
  void go_back(const auto& cursor) { detail::go_back(state_, cursor); }

  /// Chooses among all candidates and reserves in one step. An index out of range counts as none.
  /// Inlined by force: clang would spill the context to memory for a call.
  template <class Request, class Facts>
  [[nodiscard, gnu::always_inline]] inline Choice choose(const Request& request, Facts& facts) {
    auto context = context_among<Among::all>(facts);
    check_policy_for<Request, decltype(context)>();
    for (;;) {
      const std::optional<std::size_t> chosen = policy_->select(candidates_, request, context);
      if (!chosen || *chosen >= candidates_.size()) [[unlikely]] {
        if constexpr (!reaches_bound_only<Policy>) return declined(request, time_of_choice<Slot>(context), nullptr);
        if (!chosen || *chosen >= candidates_.all()) {
          Facts copy = facts;
          auto later = context_among<Among::remaining>(copy);
          return declined(request, later, detail::home_of(*policy_, candidates_, request, later));
        }
      }
      Slot* const slot = candidates_.slot(*chosen);
      read_clock(context);
      typename Slot::Held held{};
      const auto reservation = try_reserve(slot, request, held, context, false);
      if (reservation.attempt == SlotCount::Attempt::reserved) [[likely]]
        return reserved(reservation.place, held, context);
      if (reservation.attempt == SlotCount::Attempt::full) [[unlikely]] {
        Facts copy = facts;  // copied, so that `facts` can stay in registers
        Choice choice = choose_among(request, copy, NoFilter{}, AnyEndpoint{}, TakeFirst{}, slot);
        facts.clock = copy.clock;  // only the two members that changed, so that the compiler still knows the others
        facts.tickets = copy.tickets;
        return choice;
      }
      refresh();
    }
  }

  /// Chooses and reserves among the candidates that pass the filter, are `compatible` and have room. Each reservation
  /// is shown to `judge`, and undone unless the verdict is to take it. Each endpoint refuses at most once per snapshot,
  /// so the search ends; it starts over only if an endpoint was closed and a newer snapshot is there. `refused`: the
  /// slot that has refused the request in `choose`; if it is held back, it is not asked again unless no other is left.
  template <class Request, class Facts, class AnyFilter, class Compatible, class Judge>
  [[nodiscard, gnu::noinline]] Choice choose_among(const Request& request, Facts& facts, const AnyFilter& filter,
                                                   const Compatible& compatible, const Judge& judge,
                                                   const Slot* refused = nullptr) {
    assert(!searching_ && "a predicate or policy must not call the dispatcher that is asking it");
    struct Searching {
      explicit Searching(bool& is_on) noexcept : on(is_on) { on = true; }
      ~Searching() { on = false; }
      bool& on;
    } const searching{searching_};
    auto context = context_among<Among::remaining>(facts);
    check_policy_for<Request, decltype(context)>();
    for (;;) {
      screen(request, filter, compatible, context, detail::home_of(*policy_, candidates_, request, context), refused);
      if (refused == nullptr) {
        for (Slot* slot : held_back_) slot->passed_over();
      }
      const std::uint32_t closed_before = reason_.draining;
      for (bool anyway = false;; anyway = true) {  // whether among those that are held back, because no other is left
        while (!rest_.empty()) {
          const Candidates<Slot> offered = detail::with_home_behind<Policy>(rest_, home_);
          context.narrow(offered.size() < candidates_.size());
          const auto chosen = policy_->select(offered, request, context);
          if (!chosen || *chosen >= rest_.size()) {
            reason_.declined = static_cast<std::uint32_t>(rest_.size());
            return {};
          }
          Slot* const slot = rest_[*chosen];
          read_clock(context);
          typename Slot::Held held{};
          const auto [attempt, place] = try_reserve(slot, request, held, context, anyway);
          if (attempt == SlotCount::Attempt::reserved) {
            Choice choice = reserved(place, held, context);
            const Verdict verdict = judge(choice);
            if (verdict == Verdict::take) return choice;
            choice.undo();
            if (verdict == Verdict::give_up) return {};
            ++reason_.incompatible;
          } else {
            ++(attempt == SlotCount::Attempt::closed ? reason_.draining : reason_.full);
          }
          rest_.erase(rest_.begin() + static_cast<std::ptrdiff_t>(*chosen));
        }
        if (held_back_.empty() || (reason_.draining != closed_before && pool_->generation() != generation_)) break;
        reason_.full -= held_full_;
        reason_.ejected -= static_cast<std::uint32_t>(held_back_.size()) - held_full_;
        rest_.swap(held_back_);
      }
      if (reason_.draining == closed_before || pool_->generation() == generation_) return {};
      refresh();
    }
  }

  /// Why there is no endpoint: after a choice that came to nothing, or if there are no candidates.
  [[nodiscard]] NoEndpoint no_endpoint() const noexcept { return empty() ? snapshot_->left_out() : reason_; }

  void remember() const noexcept {}  // for `choose_filtered`: a leg keeps nothing of an earlier search
  void recall() const noexcept {}

  // As the functions in screening.hpp say.
  template <class Request>
  [[nodiscard]] std::optional<NoEndpoint> never(const Request& request, const LegFilter<Endpoint>& filter) const {
    return detail::never(snapshot_->left_out(), candidates_, request, filter);
  }
  /// Valid until the next call.
  template <class Request>
  [[nodiscard]] const std::vector<std::uint64_t>& groups(const Request& request, const LegFilter<Endpoint>& filter,
                                                         const GroupRef<Endpoint>& group, Reason despite) {
    detail::list_groups(groups_, candidates_, request, filter, group, despite);
    return groups_;
  }

 private:
  friend class DryRun<role, Policy, Endpoint, CallersClock>;  // takes the same steps without reserving

  template <Among among, class Clock>
  [[nodiscard]] RouteContext<among, Clock, State> context_among(CallFacts<Clock>& facts) noexcept {
    return {facts, role, state_};
  }

  template <class Request, class Context>
  static consteval void check_policy_for() {
    static_assert(check_policy<Policy, Candidates<Slot>, Request, Context>(),
                  "pdroute: the policy does not select over the router's candidates for this request");
  }

  template <class Request, class Context>
  [[nodiscard, gnu::always_inline]] static inline typename Slot::Reservation try_reserve(
      Slot* slot, const Request& request, typename Slot::Held& held, Context& context, bool anyway) {
    if (at_reported_limit(*slot, context)) [[unlikely]]
      return {};
    return slot->try_reserve(request, held, anyway);
  }
  template <class Context>
  [[nodiscard, gnu::always_inline]] inline Choice reserved(typename Slot::Place* place, typename Slot::Held& held,
                                                           Context& context) {
    struct Taken {  // taken back if a metric throws
      typename Slot::Place* place;
      typename Slot::Held& held;
      ~Taken() {
        if (place != nullptr) [[unlikely]]
          Slot::undo_reservation(place, held);
      }
    } taken{place, held};
    typename Choice::Receipt receipt{};
    if constexpr (TimesLeases<LoadOf<Policy>>) place->slot->begin(held, context.now());
    if constexpr (CountsChoices<LoadOf<Policy>>) receipt = place->slot->record(context.now());
    return {Lease<Slot>{std::exchange(taken.place, nullptr), held}, receipt};
  }
  /// Reads the clock before anything is reserved: the clock is the caller's code and may throw.
  template <class Context>
  [[gnu::always_inline]] static inline void read_clock([[maybe_unused]] Context& context) {
    if constexpr (CountsChoices<LoadOf<Policy>> || TimesLeases<LoadOf<Policy>>) static_cast<void>(context.now());
  }

  /// Leaves in `rest_` the candidates that pass, and in `held_back_` those that would pass if they were not held back;
  /// counts in `reason_` why the others than the first do not. The session's `home`, unless null, counts as a candidate
  /// and comes last. Flattened: a call for each endpoint would make clang's filters an eighth slower.
  template <class Request, class AnyFilter, class Compatible, class Clock>
  [[gnu::flatten]] void screen(const Request& request, const AnyFilter& filter, const Compatible& compatible,
                               Clock& clock, Slot* home, const Slot* refused = nullptr) {
    reason_ = snapshot_->left_out();
    if constexpr (!reaches_bound_only<Policy>) home = nullptr;  // so that the compiler knows
    home_ = home;
    if (home != nullptr) --reason_.bound_only;
    rest_.clear();
    held_back_.clear();
    held_full_ = 0;
    const std::size_t n = candidates_.size();
    for (std::size_t i = 0; i < n + (home != nullptr ? 1 : 0); ++i) {
      Slot* const slot = i < n ? candidates_.slot(i) : home;
      if (const Reason reason = detail::ruled_out_now(*slot, request, filter, compatible, clock)) {
        ++(reason_.*reason);
      } else if (const Reason held = detail::held_back(*slot, slot == refused)) [[unlikely]] {
        ++(reason_.*held);
        held_full_ += held == &NoEndpoint::full ? 1U : 0U;
        held_back_.push_back(slot);
      } else {
        rest_.push_back(slot);
      }
    }
  }

  // Rare, and out of line so that the rest is small enough to be inlined into the caller's loop.

  template <class Request, class Time>
  [[gnu::noinline, gnu::cold]] Choice declined(const Request& request, Time time, Slot* home) {
    screen(request, NoFilter{}, AnyEndpoint{}, time, home);  // full endpoints count as full, not as declined
    reason_.declined = static_cast<std::uint32_t>(rest_.size());
    return {};
  }
  [[gnu::noinline, gnu::cold]] std::shared_ptr<const void> fetch() {
    auto next = pool_->snapshot();
    const auto now = detail::shown_to<Policy>(*next);
    rest_.reserve(now.all());  // here, so that a search never allocates
    held_back_.reserve(now.all());
    groups_.reserve(now.all());
    auto old = std::exchange(snapshot_, std::move(next));
    const auto before = std::exchange(candidates_, now);
    detail::candidates_changed(state_, before, candidates_);
    generation_ = snapshot_->generation();
    return old;
  }

  Candidates<Slot> candidates_;
  std::uint64_t generation_ = 0;
  const Policy* policy_;
  const Pool* pool_;
  [[no_unique_address]] State state_;
  std::shared_ptr<const typename Pool::Snapshot> snapshot_;
  std::vector<Slot*> rest_;            // scratch: the candidates that may still be chosen
  std::vector<Slot*> held_back_;       // scratch: those that may be chosen if no other can
  std::uint32_t held_full_ = 0;        // how many of them count as full
  Slot* home_ = nullptr;               // of this request's session, if that takes bound sessions only
  std::vector<std::uint64_t> groups_;  // scratch: of candidates that may be partners
  NoEndpoint reason_;                  // of the last choice that came to nothing
  bool searching_ = false;             // whether `rest_` is in use
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
