// SPDX-License-Identifier: Apache-2.0
// Slot: one life of an endpoint in one role, with the router's copy of it, its request count and its load metric.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/limited_count.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/detail/admission.hpp>
#include <pdroute/pool/detail/life.hpp>
#include <pdroute/pool/detail/outcome_counts.hpp>
#include <pdroute/pool/detail/place.hpp>
#include <pdroute/pool/detail/slot_count.hpp>
#include <pdroute/pool/detail/slot_gate.hpp>
#include <pdroute/pool/endpoint_key.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A life of an endpoint in one role. Policies see slots as const candidates: the count in flight, the members of the
/// role's load metric, the limits, the id and the caller's endpoint.
template <Role role_of_slot, EndpointType EndpointOfSlot, LoadMetric Load = NoLoad>
class alignas(64) alignas(Load) Slot  // own cache lines: neighbours are written by other threads
    : public SlotCount,
      public Load,
      public Life<role_of_slot, EndpointOfSlot> {
 public:
  using Endpoint = EndpointOfSlot;
  static constexpr Role role = role_of_slot;
  static constexpr bool holds_demand = HoldsDemand<Load>;
  static constexpr bool times_leases = TimesLeases<Load>;
  using Held = HeldOf<Load>;

  using Place = detail::Place<Slot, Endpoint>;
  using Listing = detail::Listing<Slot, Endpoint>;
  static_assert(Listing::periods == Admission::State::periods, "pdroute: a place for each period");

  /// `row_limit`: failures in a row that close the gate; zero: none do. `router`: the router's mark.
  Slot(const Endpoint& endpoint, std::uint64_t incarnation, typename Load::Options options, std::uint32_t row_limit = 0,
       std::uint64_t router = 0)
      : Load(options), Life<role, Endpoint>(endpoint, incarnation, router), listings_(endpoint), gate_(row_limit) {
    listing()->settle(this, &word(), &marked_);
  }
  /// The endpoint as it was listed last.
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return listing()->endpoint; }
  /// Tells the load metric the weight, if it reads weights. A weight of zero is told as one: the endpoint leaves the
  /// snapshot, and a choice over an old snapshot takes it for the lightest.
  void weigh([[maybe_unused]] std::uint64_t weight) noexcept {
    if constexpr (IdentifiesEndpoint<Load>)
      Load::identify(this->hash_of_id(), static_cast<std::uint32_t>(weight > 0 ? weight : 1));
  }
  /// Takes another description of the endpoint. Leases that run go on showing theirs. Needs the pool's lock.
  void relist(std::unique_ptr<Listing> next, std::uint64_t version) noexcept {
    next->settle(this, &word(), &marked_);
    listings_.add(std::move(next), version);
  }
  // As in `Listings`.
  [[nodiscard]] std::optional<std::uint64_t> relisted() const noexcept { return listings_.replaced(); }
  [[nodiscard]] bool may_relist() const noexcept { return listings_.may_add(); }
  /// Hands over the descriptions that neither a lease nor an older snapshot shows any more, to be deleted when the lock
  /// is free. `shown`: whether the pool's present snapshot shows the slot. Needs the pool's lock.
  [[nodiscard]] std::unique_ptr<Listing> unused_listings(bool shown) noexcept {
    return unseen(shown ? 2 : 1) ? listings_.take_older() : nullptr;
  }

  /// The limits in force, for costs that compare what is held with what fits. One atomic read per counted quantity.
  [[nodiscard]] Capacity capacity() const noexcept {
    Capacity capacity = detail::limits_of(static_cast<const Load&>(*this));
    if (const std::uint32_t requests = gate_.limit(); requests < Capacity::max_requests) capacity.requests = requests;
    return capacity;
  }
  /// Sets the limits; needs the pool's lock.
  void set_capacity(const Capacity& capacity) noexcept {
    gate_.set_limit(*this, capacity.requests.value_or(Capacity::max_requests));
    if constexpr (holds_demand) Load::set_capacity(capacity);
  }
  // As in `SlotGate`.
  template <class Change>
  void admit(const Change& change) noexcept {
    gate_.admit(*this, change);
  }
  void admit_share(double share) noexcept { gate_.set_share(*this, share); }
  [[nodiscard]] const Admission& admission() const noexcept { return gate_.admission(); }
  [[nodiscard]] double admitted_share() const noexcept { return gate_.share(); }
  [[nodiscard]] bool held_back(bool refused = false) const noexcept { return gate_.holds_back(*this, refused); }
  void passed_over() noexcept { gate_.passed_over(); }

  /// How many of the failures, and of the cancels, were of requests from before the endpoint was last taken back.
  [[nodiscard]] OutcomeCounts::Late late() const noexcept { return ends_.late(); }
  [[nodiscard]] bool unmarked_run() const noexcept { return in_flight() > admission().marked(); }

  /// Whether a reservation would succeed now, unless the endpoint is held back.
  template <class Request>
  [[nodiscard]] bool has_room(const Request& request) const {
    if constexpr (holds_demand) {
      if (!Load::has_room(demand_here(request))) return false;
    }
    return gate_.has_room(*this);
  }
  /// Whether a reservation could succeed if there were no other lease.
  template <class Request>
  [[nodiscard]] bool could_hold(const Request& request) const {
    if constexpr (holds_demand) {
      return detail::could_hold(static_cast<const Load&>(*this), demand_here(request));
    } else {
      return true;
    }
  }

  struct Reservation {
    Attempt attempt = Attempt::full;
    Place* place = nullptr;
  };
  /// Takes a lease and what its request demands, unless the slot is closed or full, in one step. `anyway`: also if it
  /// is held back. Precondition: the caller holds a pin.
  template <class Request>
  [[nodiscard, gnu::always_inline]] inline Reservation try_reserve(const Request& request, Held& held,
                                                                   bool anyway = false) {
    [[maybe_unused]] const Demand demand = demand_here(request);  // first: the caller's code may throw
    Reservation reservation{SlotCount::try_reserve(), nullptr};
    if (reservation.attempt == Attempt::reserved) [[likely]] {
      reservation.place = &listing()->ordinary;
    } else if (reservation.attempt == Attempt::full) {
      reservation = ask_gate(anyway);
    }
    if constexpr (holds_demand) {
      if (reservation.attempt != Attempt::reserved) return reservation;
      struct Taken {  // taken back if the metric refuses or throws
        Place* place;
        ~Taken() {
          if (place != nullptr) place->slot->undo_reservation(place);
        }
      } taken{reservation.place};
      if (!Load::try_hold(demand, held)) return {};
      taken.place = nullptr;
    }
    return reservation;
  }
  /// Takes a lease back as if it had never been, with the receipt of its choice if that was recorded. Precondition: the
  /// caller holds a pin.
  template <class... Receipt>
  static void undo_reservation(Place* place, [[maybe_unused]] Held& held, const Receipt&... receipt) noexcept {
    if constexpr (CountsChoices<Load> && sizeof...(receipt) > 0) place->slot->Load::undo(receipt...);
    if constexpr (holds_demand) place->slot->Load::let_go(held);
    place->slot->undo_reservation(place);
  }

  /// Ends the lease; it counts as completed.
  [[gnu::always_inline]] static inline void complete(Place* place, Held& held) noexcept {
    if constexpr (holds_demand) place->slot->Load::let_go(held);
    const std::uint64_t before = release(*place->count);
    if (!was_open(before)) [[unlikely]]
      completed_elsewhere(place, before);
  }
  /// Ends the lease as completed at the time `now`, which the load metric may measure.
  template <class TimePoint>
  static void complete(Place* place, Held& held, [[maybe_unused]] TimePoint now) noexcept {
    if constexpr (times_leases) {
      if (role == Role::decode || !place->staged) place->slot->Load::complete(held, now);
    }
    complete(place, held);
  }
  /// The KV of the prompt is staged, at this time. Returns the lease's place from now on.
  template <class... TimePoint>
  [[nodiscard]] static Place* staged(Place* place, [[maybe_unused]] Held& held,
                                     [[maybe_unused]] TimePoint... now) noexcept {
    if (place->staged) return place;
    if constexpr (role == Role::prefill) {
      if constexpr (times_leases) place->slot->Load::complete(held, now...);
      if constexpr (holds_demand) detail::computed(static_cast<Load&>(*place->slot), held);
      progressed(place);
    }
    return place->other;
  }
  // The other endings are out of line: the code around a lease stays small.
  [[gnu::noinline]] static void fail(Place* place, Held held, FailureKind kind) noexcept {
    Slot& slot = *place->slot;
    if (kind == FailureKind::overloaded) {
      if (slot.gate_.admission().pushed_back(period_of(place))) slot.gate_.follow(slot);
    } else {
      if (slot.gate_.admission().began_before_service(period_of(place))) slot.ends_.failed_late();
      if (slot.gate_.admission().failed(period_of(place))) slot.gate_.follow(slot);
    }
    slot.ends_.failed(kind);
    end(place, held);
  }
  [[gnu::noinline]] static void cancel(Place* place, Held held) noexcept {
    Slot& slot = *place->slot;
    if (slot.gate_.admission().began_before_service(period_of(place))) slot.ends_.cancelled_late();
    slot.ends_.cancelled();
    if (place->staged) slot.ends_.abandoned();
    end_without_word(place, held);
  }
  [[gnu::noinline]] static void reject(Place* place, Held held) noexcept {
    place->slot->ends_.rejected();
    end_without_word(place, held);
  }
  /// The request has given tokens, and its lease goes on.
  static void progressed(Place* place) noexcept {
    std::atomic<bool>& tokens = place->slot->tokens_;
    if (!tokens.load(std::memory_order_relaxed)) tokens.store(true, std::memory_order_relaxed);
    if (place->period != Place::unmarked && place->slot->gate_.admission().progressed(place->period))
      place->slot->gate_.follow(*place->slot);
  }
  /// Whether a request has given tokens since this was last asked.
  [[nodiscard]] bool take_sign_of_tokens() noexcept { return tokens_.exchange(false, std::memory_order_relaxed); }
  static void end_pin(Slot* slot) noexcept {
    if (slot->unpin()) [[unlikely]]
      destroy(slot);
  }

  /// How the leases have ended. Counts never fall; while leases end, `completed` may lag by those that are just ending.
  [[nodiscard]] Outcomes outcomes() const noexcept {
    return ends_.outcomes([this] { return ended(); });
  }

 private:
  ~Slot() = default;
  template <class Request>
  [[nodiscard]] Demand demand_here([[maybe_unused]] const Request& request) const {
    if constexpr (holds_demand) {
      return detail::demand_of(request, endpoint(), role);
    } else {
      return {};
    }
  }
  [[nodiscard]] Listing* listing() const noexcept { return listings_.present(); }
  [[nodiscard]] static std::optional<std::uint8_t> period_of(const Place* place) noexcept {
    return place->period == Place::unmarked ? std::nullopt : std::optional{place->period};
  }

  // Out of line: nearly every slot that is full has its gate open.
  [[gnu::noinline, gnu::cold]] Reservation ask_gate(bool anyway) noexcept {
    const auto [attempt, period] = gate_.ask(*this, anyway);
    if (attempt != Attempt::reserved) return {attempt, nullptr};
    return {attempt, period ? &listing()->of_period[*period] : &listing()->ordinary};
  }
  void undo_reservation(Place* place) noexcept {
    const auto period = period_of(place);
    ends_.undone();
    static_cast<void>(release());  // the caller's pin keeps the slot
    gate_.undone(period);
  }
  static void end_without_word(Place* place, Held& held) noexcept {
    const auto period = period_of(place);
    if (!period) return end(place, held);
    // The lease goes first, so that a probe that takes its place is not one too many. A pin keeps the slot meanwhile.
    Slot* const slot = place->slot;
    if constexpr (holds_demand) slot->Load::let_go(held);
    slot->pin();
    static_cast<void>(slot->release());
    if (slot->gate_.admission().ended_without_word(*period)) slot->gate_.follow(*slot);
    slot->gate_.admission().over(*period);
    end_pin(slot);
  }
  /// Ends a lease whose ending has been counted.
  static void end(Place* place, Held& held) noexcept {
    Slot* const slot = place->slot;
    if constexpr (holds_demand) slot->Load::let_go(held);
    if (place->period != Place::unmarked) slot->gate_.admission().over(place->period);
    if (slot->release()) [[unlikely]]
      destroy(slot);
  }
  /// The rest of `complete`, if the slot was closed or the lease has a mark. Unless the word says so, the place is
  /// gone.
  [[gnu::noinline, gnu::cold]] static void completed_elsewhere(Place* place, std::uint64_t before) noexcept {
    if (was_marked(before)) {
      Slot* const slot = place->slot;
      notice(slot->marked_);
      if (slot->gate_.admission().completed(place->period)) slot->gate_.follow(*slot);
      slot->gate_.admission().over(place->period);
      if (slot->release()) destroy(slot);
    } else if (dead_after(before)) {
      destroy(place->slot);
    }
  }

  [[gnu::noinline, gnu::cold]] static void destroy(Slot* slot) noexcept { delete slot; }

  OutcomeCounts ends_;
  std::atomic<std::uint64_t> marked_{marked_word};  // counts nothing: what `complete` of a marked lease writes to
  std::atomic<bool> tokens_{false};
  alignas(64) Listings<Slot, Endpoint> listings_;  // read while other threads write the counts above
  SlotGate gate_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
