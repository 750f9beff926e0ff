// SPDX-License-Identifier: Apache-2.0
// Slot: one life of an endpoint in one role, with the router's copy of it, its request count and its load metric.
#pragma once

#include <algorithm>
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
#include <pdroute/pool/detail/outcome_counts.hpp>
#include <pdroute/pool/detail/place.hpp>
#include <pdroute/pool/detail/request_share.hpp>
#include <pdroute/pool/detail/slot_count.hpp>
#include <pdroute/pool/endpoint_key.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// An incarnation of an endpoint in one role. An id that comes back gets a new slot, so a late release reaches only the
/// old one. Policies see slots as const candidates: the count in flight, the members of the role's load metric, the
/// limits, the id and the caller's endpoint.
template <Role role_of_slot, EndpointType EndpointOfSlot, LoadMetric Load = NoLoad>
class alignas(64) alignas(Load) Slot  // own cache lines: neighbours are written by other threads
    : public SlotCount,
      public Load {
 public:
  using Endpoint = EndpointOfSlot;
  static constexpr Role role = role_of_slot;
  static constexpr bool holds_demand = HoldsDemand<Load>;
  static constexpr bool times_leases = TimesLeases<Load>;
  using Held = HeldOf<Load>;

  using Place = detail::Place<Slot, Endpoint>;
  using Listing = detail::Listing<Slot, Endpoint>;
  static_assert(Listing::periods == Admission::State::periods, "pdroute: a place for each period");

  /// `row_limit`: failures in a row that close the slot to new leases until the pool decides; zero: none do. `router` is
  /// the router's mark, see `EndpointKey`.
  Slot(const Endpoint& endpoint, std::uint64_t incarnation, typename Load::Options options, std::uint32_t row_limit = 0,
       std::uint64_t router = 0)
      : Load(options),
        incarnation_(incarnation),
        router_(router),
        engine_(detail::engine_hash(endpoint)),
        id_(pdroute::endpoint_id(endpoint)),
        life_key_(detail::life_key(endpoint)),
        listing_(new Listing(endpoint)),
        admission_(row_limit) {
    listing()->settle(this, &word(), &marked_);
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// The endpoint as it was listed last.
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return listing()->endpoint; }
  [[nodiscard]] EndpointIdView<Endpoint> id() const noexcept { return id_; }
  [[nodiscard]] const LifeKey<Endpoint>& life_key() const noexcept { return life_key_; }
  /// Numbers the life; unique within the pool.
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
  [[nodiscard]] EndpointKey key() const noexcept { return {role, incarnation_, router_}; }

  /// A hash of the engine that the endpoint belongs to, equal in both roles and for all ranks of one instance.
  [[nodiscard]] std::uint64_t engine() const noexcept { return engine_; }

  void number(std::uint64_t incarnation) noexcept { incarnation_ = incarnation; }  // before others see the slot

  /// Tells the load metric the weight, if it reads weights. A weight of zero is told as one: the endpoint leaves the
  /// snapshot, and a choice over an old snapshot takes it for the lightest.
  void weigh([[maybe_unused]] std::uint64_t weight) noexcept {
    if constexpr (IdentifiesEndpoint<Load>)
      Load::identify(detail::id_hash<Endpoint>(id()), static_cast<std::uint32_t>(weight > 0 ? weight : 1));
  }
  /// Takes another description of the endpoint. Leases that run go on showing theirs. Needs the pool's lock.
  void relist(std::unique_ptr<Listing> next, std::uint64_t version) noexcept {
    next->version = version;
    next->settle(this, &word(), &marked_);
    next->older = listing();
    next->kept = next->older->kept + 1;
    // Release: a thread that sees the listing sees the endpoint in it.
    listing_.store(next.release(), std::memory_order_release);
  }
  /// The version of the members since which the description is in force, if there is an older one.
  [[nodiscard]] std::optional<std::uint64_t> relisted() const noexcept {
    return listing()->older == nullptr ? std::nullopt : std::optional{listing()->version};
  }
  /// Whether `relist` may be called: not too many descriptions are kept for running leases.
  [[nodiscard]] bool may_relist() const noexcept { return listing()->kept < Listing::max_kept; }
  /// Hands over the descriptions that neither a lease nor an older snapshot shows any more, to be deleted when the lock is
  /// free. `shown`: whether the pool's present snapshot shows the slot. Needs the pool's lock.
  [[nodiscard]] std::unique_ptr<Listing> unused_listings(bool shown) noexcept {
    if (!unseen(shown ? 2 : 1)) return nullptr;
    listing()->kept = 0;
    return std::unique_ptr<Listing>(std::exchange(listing()->older, nullptr));
  }

  /// The limits in force, for costs that compare what is held with what fits. Costs one atomic read per counted
  /// quantity.
  [[nodiscard]] Capacity capacity() const noexcept {
    Capacity capacity;
    if (const std::uint32_t requests = admission_.limit(); requests < Capacity::max_requests)
      capacity.requests = requests;
    LimitedQuantities::each([&capacity, &self = *this]<QuantityRef quantity>() {
      if constexpr (counts_quantity<Load, quantity>)
        capacity.*quantity.limit = static_cast<const LimitedCount<quantity>&>(self).sum_limit();
    });
    return capacity;
  }
  /// Sets the limits; needs the pool's lock.
  void set_capacity(const Capacity& capacity) noexcept {
    admission_.set_limit(capacity.requests.value_or(Capacity::max_requests));
    follow_admission();
    renew();  // also for reservations that the admission let in
    if constexpr (holds_demand) Load::set_capacity(capacity);
  }
  /// Changes the admission by `change(admission)`; needs the pool's lock.
  template <class Change>
  void admit(const Change& change) noexcept {
    change(admission_);
    follow_admission();
  }
  [[nodiscard]] const Admission& admission() const noexcept { return admission_; }
  /// Slow start: only this share of the requests that ask get in, unless there is no other endpoint. Needs the pool's
  /// lock. Precondition: 0 < share <= 1.
  void admit_share(double share) noexcept {
    share_.set(share);
    follow_admission();
  }
  /// The share of the requests that get in: 1, unless in slow start.
  [[nodiscard]] double admitted_share() const noexcept { return share_.share(); }
  /// A request has passed this endpoint over, because it is held back.
  void passed_over() noexcept {
    admission_.passed_over();
    if (share_.limited()) share_.passed_over();
  }
  /// How many of the failures, and of the cancels, were of requests from before the endpoint was last taken back.
  [[nodiscard]] OutcomeCounts::Late late() const noexcept { return ends_.late(); }
  /// Whether leases run that have no mark.
  [[nodiscard]] bool unmarked_run() const noexcept { return in_flight() > admission_.marked(); }

  /// Whether failures, push-back or slow start keep new leases out for now, although there may be room.
  /// `refused`: they have done so for this request, and let in the next one perhaps.
  [[nodiscard]] bool held_back(bool refused = false) const noexcept {
    if (limit() > 0) [[likely]]
      return false;
    const AdmissionState gate = admission_.state();
    return !gate.refuses() && (refused || !gate.admits() || (in_slow_start(gate) && !share_.passes()));
  }
  /// Whether a reservation would succeed now, unless the endpoint is held back.
  template <class Request>
  [[nodiscard]] bool has_room(const Request& request) const {
    if constexpr (holds_demand) {
      if (!Load::has_room(demand_here(request))) return false;
    }
    // Full slots whose gate is open are passed over by reading one cache line.
    if (const std::uint32_t of_count = limit(); of_count != 0) return in_flight() < of_count;
    return in_flight() < admission_.limit() && !admission_.state().refuses();
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

  /// What `try_reserve` returns: the place, if the lease is reserved.
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
      reservation = ask_admission(anyway);
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
  /// Takes a lease back as if it had never been. Precondition: the caller holds a pin.
  static void undo_reservation(Place* place, Held& held, const ReceiptOf<Load>& receipt) noexcept {
    if constexpr (CountsChoices<Load>) place->slot->Load::undo(receipt);
    undo_reservation(place, held);
  }
  /// Takes back a lease whose choice has not been recorded. Precondition: the caller holds a pin.
  static void undo_reservation(Place* place, [[maybe_unused]] Held& held) noexcept {
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
  // The other endings are out of line, so that the code around a lease stays small enough to be inlined.
  [[gnu::noinline]] static void fail(Place* place, Held held, FailureKind kind) noexcept {
    Slot& slot = *place->slot;
    if (kind == FailureKind::overloaded) {
      if (slot.admission_.pushed_back(period_of(place))) slot.follow_admission();
    } else {
      if (slot.admission_.began_before_service(period_of(place))) slot.ends_.failed_late();
      if (slot.admission_.failed(period_of(place))) slot.follow_admission();
    }
    slot.ends_.failed(kind);
    end(place, held);
  }
  [[gnu::noinline]] static void cancel(Place* place, Held held) noexcept {
    Slot& slot = *place->slot;
    if (slot.admission_.began_before_service(period_of(place))) slot.ends_.cancelled_late();
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
    if (place->period != Place::unmarked && place->slot->admission_.progressed(place->period))
      place->slot->follow_admission();
  }
  /// Whether a request has given tokens since this was last asked.
  [[nodiscard]] bool take_sign_of_tokens() noexcept { return tokens_.exchange(false, std::memory_order_relaxed); }
  static void end_pin(Slot* slot) noexcept {
    if (slot->unpin()) [[unlikely]]
      destroy(slot);
  }

  /// How the leases have ended. Counts never fall; while leases end, `completed` may lag by those that are just ending.
  [[nodiscard]] Outcomes outcomes() const noexcept {
    // Read first, because the other endings are counted before their lease is released.
    const std::uint64_t ended = SlotCount::ended();
    Outcomes outcomes = ends_.so_far();
    const std::uint64_t others =
        outcomes.failed() + outcomes.overloaded + outcomes.cancelled + outcomes.rejected + ends_.undone_so_far();
    const std::uint64_t completed = ended > others ? ended - others : 0;  // so never too high
    outcomes.completed = completed_.load(std::memory_order_relaxed);
    while (outcomes.completed < completed &&
           !completed_.compare_exchange_weak(outcomes.completed, completed, std::memory_order_relaxed)) {
    }
    outcomes.completed = std::max(outcomes.completed, completed);
    return outcomes;
  }

 private:
  ~Slot() { delete listing(); }

  template <class Request>
  [[nodiscard]] Demand demand_here([[maybe_unused]] const Request& request) const {
    if constexpr (holds_demand) {
      return detail::demand_of(request, endpoint(), role);
    } else {
      return {};
    }
  }
  [[nodiscard]] Listing* listing() const noexcept { return listing_.load(std::memory_order_acquire); }
  [[nodiscard]] static std::optional<std::uint8_t> period_of(const Place* place) noexcept {
    return place->period == Place::unmarked ? std::nullopt : std::optional{place->period};
  }

  // Out of line: nearly every slot that is full has its gate open.
  [[gnu::noinline, gnu::cold]] Reservation ask_admission(bool anyway) noexcept {
    if (const AdmissionState gate = admission_.state();
        !anyway && in_slow_start(gate) && gate.admits() && !share_.ask())
      return {};
    const Admission::Permit permit = admission_.ask(anyway);
    if (!permit.granted) return {};
    if (!permit.period) {  // the gate is open; if it closes meanwhile, the slot is full
      const Attempt attempt = SlotCount::try_reserve([this] { return admission_.limit_of_count(); });
      return {attempt, attempt == Attempt::reserved ? &listing()->ordinary : nullptr};
    }
    const Attempt attempt = SlotCount::try_reserve([this] { return admission_.limit(); });
    if (attempt == Attempt::reserved) return {attempt, &listing()->of_period[*permit.period]};
    admission_.withdraw(*permit.period);
    return {attempt, nullptr};
  }
  /// Whether requests have to ask for their share. Probes do not: they are few anyway.
  [[nodiscard]] bool in_slow_start(const AdmissionState& gate) const noexcept {
    return share_.limited() && gate.what() != AdmissionState::Mode::probing;
  }
  /// The limit that the count must have: zero if requests have to ask.
  [[nodiscard]] std::uint32_t limit_of_count() const noexcept {
    return share_.limited() ? 0 : admission_.limit_of_count();
  }
  /// Makes the limit of the count follow the admission, also if several threads change it at once.
  void follow_admission() noexcept {
    std::uint32_t limit = 0;
    do {
      limit = limit_of_count();
      set_limit(limit);
    } while (limit != limit_of_count());
    if (share_.limited()) renew();  // also for reservations that have read the limit of an open gate
  }

  void undo_reservation(Place* place) noexcept {
    const auto period = period_of(place);
    ends_.undone();
    static_cast<void>(release());  // the caller's pin keeps the slot
    if (share_.limited()) share_.give_back();
    if (period) admission_.withdraw(*period);
  }
  static void end_without_word(Place* place, Held& held) noexcept {
    const auto period = period_of(place);
    if (!period) return end(place, held);
    // The lease goes first, so that a probe that takes its place is not one too many. A pin keeps the slot meanwhile.
    Slot* const slot = place->slot;
    if constexpr (holds_demand) slot->Load::let_go(held);
    slot->pin();
    static_cast<void>(slot->release());
    if (slot->admission_.ended_without_word(*period)) slot->follow_admission();
    slot->admission_.over(*period);
    end_pin(slot);
  }
  /// Ends a lease whose ending has been counted.
  static void end(Place* place, Held& held) noexcept {
    Slot* const slot = place->slot;
    if constexpr (holds_demand) slot->Load::let_go(held);
    if (place->period != Place::unmarked) slot->admission_.over(place->period);
    if (slot->release()) [[unlikely]]
      destroy(slot);
  }
  /// The rest of `complete`, for a slot that was closed or a lease with a mark. The place may be gone, unless the word
  /// says that this thread has still to release the slot, or to destroy it.
  [[gnu::noinline, gnu::cold]] static void completed_elsewhere(Place* place, std::uint64_t before) noexcept {
    if (was_marked(before)) {
      Slot* const slot = place->slot;
      notice(slot->marked_);
      if (slot->admission_.completed(place->period)) slot->follow_admission();
      slot->admission_.over(place->period);
      if (slot->release()) destroy(slot);
    } else if (dead_after(before)) {
      destroy(place->slot);
    }
  }

  // Out of line, so that ending a lease is small enough to be inlined.
  [[gnu::noinline, gnu::cold]] static void destroy(Slot* slot) noexcept { delete slot; }

  OutcomeCounts ends_;
  mutable std::atomic<std::uint64_t> completed_{0};  // as reported
  std::atomic<std::uint64_t> marked_{marked_word};   // counts nothing: what `complete` of a marked lease writes to
  std::atomic<bool> tokens_{false};
  RequestShare share_;                     // of slow start
  alignas(64) std::uint64_t incarnation_;  // read while other threads write the counts above
  std::uint64_t router_;                   // its mark, see `EndpointKey`
  std::uint64_t engine_;
  EndpointId<Endpoint> id_;
  [[no_unique_address]] LifeKey<Endpoint> life_key_;
  std::atomic<Listing*> listing_;
  Admission admission_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
