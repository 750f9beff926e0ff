// SPDX-License-Identifier: Apache-2.0
// Slot: one life of an endpoint in one role, with the router's copy of it, its request count and its load metric.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/limited_count.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/detail/consecutive_failures.hpp>
#include <pdroute/pool/detail/outcome_counts.hpp>
#include <pdroute/pool/detail/probe_budget.hpp>
#include <pdroute/pool/detail/slot_count.hpp>
#include <pdroute/pool/endpoint_key.hpp>
#include <pdroute/request.hpp>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// An incarnation of an endpoint in one role. An id that comes back gets a new slot, so a late release reaches only the
/// old one. Policies see slots as const candidates: the count in flight, the members of the role's load metric, the
/// limits, the id and the caller's endpoint.
template <Role role_of_slot, EndpointType EndpointOfSlot, LoadMetric Load = NoLoad>
class alignas(64) alignas(EndpointOfSlot) alignas(
    Load) Slot  // own cache lines: neighbours are written by other threads
    : public SlotCount,
      public Load {
 public:
  using Endpoint = EndpointOfSlot;
  static constexpr Role role = role_of_slot;
  static constexpr bool holds_demand = HoldsDemand<Load>;
  static constexpr bool times_leases = TimesLeases<Load>;
  using Held = HeldOf<Load>;

  /// `router` is the router's mark, see `EndpointKey`.
  Slot(const Endpoint& endpoint, std::uint64_t incarnation, typename Load::Options options, std::uint64_t router = 0)
      : Load(options), incarnation_(incarnation), endpoint_(endpoint), router_(router) {}

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] EndpointIdView<Endpoint> id() const noexcept { return pdroute::endpoint_id(endpoint_); }
  /// Counts the lives that the pool has seen; unique within the pool.
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
  [[nodiscard]] EndpointKey key() const noexcept { return {role, incarnation_, router_}; }

  /// The limits in force, for costs that compare what is held with what fits. Costs one atomic read per counted
  /// quantity.
  [[nodiscard]] Capacity capacity() const noexcept {
    std::uint32_t requests = limit();
    while (requests == 0) {  // only probes may try it; or that is just beginning or ending, then read both again
      requests = probe_budget_.lease_limit();
      if (requests == 0) requests = limit();
    }
    Capacity capacity;
    if (requests < Capacity::max_requests) capacity.requests = requests;
    LimitedQuantities::each([&capacity, &self = *this]<QuantityRef quantity>() {
      if constexpr (counts_quantity<Load, quantity>)
        capacity.*quantity.limit = static_cast<const LimitedCount<quantity>&>(self).sum_limit();
    });
    return capacity;
  }
  void set_capacity(const Capacity& capacity) noexcept {
    set_limit(capacity.requests.value_or(Capacity::max_requests));
    probe_budget_.end();
    if constexpr (holds_demand) Load::set_capacity(capacity);
  }
  /// Sets the limits for as long as only probes may try this endpoint: the count refuses every lease as full, and a
  /// request that is refused asks for a probe.
  void set_capacity_of_probes(const Capacity& capacity) noexcept {
    probe_budget_.begin(capacity.requests.value_or(Capacity::max_requests));
    set_limit(0);
    if constexpr (holds_demand) Load::set_capacity(capacity);
  }
  /// Allows `number` probes from now on, until one of them fails.
  void allow_probes(std::uint32_t number) noexcept { probe_budget_.allow(number); }
  /// Whether a reservation would succeed now.
  template <class Request>
  [[nodiscard]] bool has_room(const Request& request) const {
    if constexpr (holds_demand) {
      if (!Load::has_room(demand_here(request))) return false;
    }
    return in_flight() < limit() || (in_flight() < probe_budget_.limit() && consecutive_failures() == 0);
  }
  /// Takes a lease and what its request demands, unless the slot is closed or full, in one step. Precondition: the
  /// caller holds a pin.
  template <class Request>
  [[nodiscard, gnu::always_inline]] inline Attempt try_reserve(const Request& request, Held& held) {
    [[maybe_unused]] const Demand demand = demand_here(request);  // first: the caller's code may throw
    Attempt attempt = SlotCount::try_reserve();
    if (attempt == Attempt::full) [[unlikely]]
      attempt = try_probe();
    if constexpr (holds_demand) {
      if (attempt == Attempt::reserved && !Load::try_hold(demand, held)) {
        undo_reservation();
        return Attempt::full;
      }
    }
    return attempt;
  }
  /// Takes a lease back as if it had never been. Precondition: the caller holds a pin.
  void undo_reservation(Held& held, const ReceiptOf<Load>& receipt) noexcept {
    if constexpr (CountsChoices<Load>) Load::undo(receipt);
    if constexpr (holds_demand) Load::let_go(held);
    undo_reservation();
  }

  /// Ends the lease; it counts as completed unless another ending was counted before.
  [[gnu::always_inline]] static inline void complete(Slot* slot, Held& held) noexcept {
    if constexpr (holds_demand) slot->Load::let_go(held);
    if (slot->release()) [[unlikely]]
      destroy(slot);
  }
  /// Ends the lease as completed at the time `now`, which the load metric may measure.
  template <class TimePoint>
  static void complete(Slot* slot, Held& held, [[maybe_unused]] TimePoint now) noexcept {
    if constexpr (times_leases) slot->Load::complete(held, now);
    complete(slot, held);
  }
  // The other endings are out of line, so that the code around a lease stays small enough to be inlined.
  [[gnu::noinline]] static void fail(Slot* slot, Held held, FailureKind kind) noexcept {
    if (kind != FailureKind::overloaded) slot->failures_.failed(slot->outcomes().completed);
    slot->ends_.failed(kind);
    complete(slot, held);
  }
  [[gnu::noinline]] static void cancel(Slot* slot, Held held) noexcept {
    slot->ends_.cancelled();
    complete(slot, held);
  }
  static void end_pin(Slot* slot) noexcept {
    if (slot->unpin()) [[unlikely]]
      destroy(slot);
  }

  /// How the leases have ended. Counts never fall; while leases end, `completed` may lag by those that are just ending.
  [[nodiscard]] Outcomes outcomes() const noexcept {
    // Read first, because the other endings are counted before their lease is released.
    const std::uint64_t ended = SlotCount::ended();
    Outcomes outcomes = ends_.so_far();
    const std::uint64_t others = outcomes.failed() + outcomes.overloaded + outcomes.cancelled + ends_.undone_so_far();
    const std::uint64_t completed = ended > others ? ended - others : 0;  // so never too high
    outcomes.completed = completed_.load(std::memory_order_relaxed);
    while (outcomes.completed < completed &&
           !completed_.compare_exchange_weak(outcomes.completed, completed, std::memory_order_relaxed)) {
    }
    outcomes.completed = std::max(outcomes.completed, completed);
    return outcomes;
  }

  /// Leases so far, without those taken back. While leases begin and end, the number may be off by those that do.
  [[nodiscard]] std::uint64_t begun() const noexcept { return ended() + in_flight() - ends_.undone_so_far(); }

  /// Failures since the last completion, back-pressure left out, or since they were last forgotten.
  [[nodiscard]] std::uint32_t consecutive_failures() const noexcept { return failures_.length(outcomes().completed); }
  void forget_failures() noexcept { failures_.restart(); }

 private:
  ~Slot() = default;

  template <class Request>
  [[nodiscard]] Demand demand_here([[maybe_unused]] const Request& request) const {
    if constexpr (holds_demand) {
      return detail::demand_of(request, endpoint_, role);
    } else {
      return {};
    }
  }
  // Out of line: nearly every slot that is full is not being probed.
  [[gnu::noinline, gnu::cold]] Attempt try_probe() noexcept {
    if (probe_budget_.limit() == 0 || consecutive_failures() > 0) return Attempt::full;
    const std::uint32_t limit = probe_budget_.take();
    const Attempt attempt = SlotCount::try_reserve([limit] { return limit; });
    if (limit > 0 && attempt != Attempt::reserved) probe_budget_.give_back();
    return attempt;
  }

  void undo_reservation() noexcept {
    probe_budget_.give_back();
    ends_.undone();
    static_cast<void>(release());  // the caller's pin keeps the slot
  }

  // Out of line, so that ending a lease is small enough to be inlined.
  [[gnu::noinline, gnu::cold]] static void destroy(Slot* slot) noexcept { delete slot; }

  OutcomeCounts ends_;
  alignas(64) std::uint64_t incarnation_;  // read while other threads write the counts above
  Endpoint endpoint_;
  std::uint64_t router_;                                // its mark, see `EndpointKey`
  mutable std::atomic<std::uint64_t> completed_{0};     // as reported
  [[no_unique_address]] ConsecutiveFailures failures_;  // `probe_budget_` fits into its padding
  ProbeBudget probe_budget_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
