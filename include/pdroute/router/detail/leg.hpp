// SPDX-License-Identifier: Apache-2.0
// One role's half of a dispatcher: the snapshot it reads, what it remembers for the policy, choose and reserve.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/filter.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

template <Role role, class Policy, class Endpoint>
class DryRun;

/// Thread-compatible, like the dispatcher that owns it. The policy and the pool must outlive it.
template <Role role_of_leg, class Policy, class Endpoint>
class Leg {
 public:
  static constexpr Role role = role_of_leg;
  using Pool = EndpointPool<role, Endpoint, LoadOf<Policy>>;
  using Slot = typename Pool::Slot;
  using State = StateOf<Policy>;

  /// What `reserve` returns: a lease, or one that holds nothing; and what it takes to undo it. Unless the lease is
  /// moved out, the reservation is taken back as if it had not been made, also when something throws.
  class Reservation {
   public:
    using Receipt = ReceiptOf<LoadOf<Policy>>;

    Reservation() = default;
    Reservation(Lease<Slot>&& reserved, const Receipt& counted) noexcept
        : lease(std::move(reserved)), receipt(counted) {}
    Reservation(Reservation&&) = default;
    Reservation& operator=(Reservation&& other) noexcept {
      undo();
      lease = std::move(other.lease);
      receipt = other.receipt;
      return *this;
    }
    ~Reservation() { undo(); }

    void undo() noexcept {
      if (lease) [[unlikely]]
        lease.undo(receipt);
    }

    Lease<Slot> lease;
    [[no_unique_address]] Receipt receipt{};
  };

  Leg(const Policy& policy, const Pool& pool, std::uint64_t stream)
      : policy_(&policy), pool_(&pool), state_(detail::make_state(policy, stream)) {
    static_cast<void>(fetch());
  }

  /// Makes sure that the next choice sees every change that had been published before this call.
  void refresh() {
    if (pool_->generation() != generation_) [[unlikely]]
      static_cast<void>(fetch());
  }

  /// The same, but returns the old snapshot, whose end may destroy endpoints, for the caller to drop when it likes.
  [[nodiscard]] std::shared_ptr<const void> exchange() {
    return pool_->generation() != generation_ ? fetch() : nullptr;
  }

  [[nodiscard]] std::size_t size() const noexcept { return candidates_.size(); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

  /// Where the policy's state stands, to go back to when a choice is taken back.
  [[nodiscard]] auto cursor() const { return detail::cursor_of(state_); }
  void go_back(const auto& cursor) { detail::go_back(state_, cursor); }

  /// Chooses and reserves in one step. An endpoint that was closed meanwhile refuses; a list without it has been
  /// published by then, and the policy is asked again over that. One that is full refuses, and the policy is asked
  /// again over those with room. An index out of range counts as none.
  /// Inlined by force, or clang spills the context to memory for a call.
  template <class Request, class Facts>
  [[nodiscard, gnu::always_inline]] inline Reservation reserve(const Request& request, Facts& facts,
                                                               std::size_t first_size) {
    auto context = context_among<Among::all>(facts, first_size);
    check_policy_for<Request, decltype(context)>();
    for (;;) {
      const std::optional<std::size_t> chosen = policy_->select(candidates_, request, context);
      if (!chosen || *chosen >= candidates_.size()) [[unlikely]]
        return declined(request);
      Slot* const slot = candidates_.slot(*chosen);
      read_clock(context);
      typename Slot::Held held{};
      const auto attempt = slot->try_reserve(request, held);
      if (attempt == SlotCount::Attempt::reserved) [[likely]]
        return reserved(slot, held, context);
      if (attempt == SlotCount::Attempt::full) [[unlikely]] {
        Facts copy = facts;  // so that the facts themselves need no address, and live in registers
        Reservation reservation =
            reserve_among(request, copy, first_size, Filter<Endpoint>{}, AnyEndpoint{}, TakeReservation{});
        facts = copy;
        return reservation;
      }
      refresh();
    }
  }

  /// What to do with an endpoint that has been chosen and reserved.
  enum class Verdict : std::uint8_t { take, try_another, give_up };
  struct TakeReservation {
    Verdict operator()(const Reservation& /*reservation*/) const noexcept { return Verdict::take; }
  };
  struct AnyEndpoint {
    bool operator()(const Endpoint& /*endpoint*/) const noexcept { return true; }
  };

  /// The same among the endpoints that pass the filter, are `compatible` and have room. Each reservation is shown to
  /// `judge`, and taken back unless that takes it. Each endpoint refuses at most once per snapshot, so this ends; it
  /// starts over only if an endpoint was closed and a list without it has come.
  template <class Request, class Facts, class Compatible, class Judge>
  [[nodiscard, gnu::noinline]] Reservation reserve_among(const Request& request, Facts& facts, std::size_t first_size,
                                                         const Filter<Endpoint>& filter, const Compatible& compatible,
                                                         const Judge& judge) {
    auto context = context_among<Among::remaining>(facts, first_size);
    check_policy_for<Request, decltype(context)>();
    for (;;) {
      screen(request, filter, compatible);
      const std::uint32_t closed_before = reason_.draining;
      while (!rest_.empty()) {
        context.narrow(rest_.size() < candidates_.size());
        const auto chosen = policy_->select(Candidates<Slot>{rest_.data(), rest_.size()}, request, context);
        if (!chosen || *chosen >= rest_.size()) {
          reason_.declined = static_cast<std::uint32_t>(rest_.size());
          return {};
        }
        Slot* const slot = rest_[*chosen];
        read_clock(context);
        typename Slot::Held held{};
        const auto attempt = slot->try_reserve(request, held);
        if (attempt == SlotCount::Attempt::reserved) {
          Reservation reservation = reserved(slot, held, context);
          const Verdict verdict = judge(reservation);
          if (verdict == Verdict::take) return reservation;
          reservation.undo();
          if (verdict == Verdict::give_up) return {};
          ++reason_.incompatible;
        } else {
          ++(attempt == SlotCount::Attempt::closed ? reason_.draining : reason_.full);
        }
        rest_.erase(rest_.begin() + static_cast<std::ptrdiff_t>(*chosen));
      }
      if (reason_.draining == closed_before || pool_->generation() == generation_) return {};
      refresh();
    }
  }

  /// Why there is nobody, right after nothing was reserved or if there are no candidates.
  [[nodiscard]] NoEndpoint nobody() const noexcept { return candidates_.size() == 0 ? snapshot_->left_out() : reason_; }

  /// What rules an eligible endpoint out before the policy is asked.
  template <class Request, class Compatible>
  [[nodiscard]] static Reason ruled_out(const Slot& slot, const Request& request, const Filter<Endpoint>& filter,
                                        const Compatible& compatible) {
    const auto failed = std::find_if(
        filter.exclude.begin(), filter.exclude.end(),
        [key = EndpointKey{role, slot.incarnation()}](const FailedEndpoint& endpoint) { return endpoint.key == key; });
    if (failed != filter.exclude.end())
      return failed->kind == FailureKind::overloaded ? &NoEndpoint::full : &NoEndpoint::excluded;
    const auto among = [](const auto& list, const auto& value) {
      return std::find(list.begin(), list.end(), value) != list.end();
    };
    if ((filter.allowed && !among(*filter.allowed, slot.id())) || (filter.accept && !filter.accept(slot.endpoint())))
      return &NoEndpoint::disallowed;
    if (!compatible(slot.endpoint())) return &NoEndpoint::incompatible;
    if (!slot.has_room(request)) return &NoEndpoint::full;
    return nullptr;
  }

 private:
  friend class DryRun<role, Policy, Endpoint>;  // goes the same way without reserving

  template <Among among, class Clock>
  [[nodiscard]] RouteContext<among, Clock, State> context_among(CallFacts<Clock>& facts,
                                                                std::size_t first_size) noexcept {
    return {facts, role, state_, first_size};
  }

  template <class Request, class Context>
  static consteval void check_policy_for() {
    static_assert(check_policy<Policy, Candidates<Slot>, Request, Context>(),
                  "pdroute: the policy does not select over the router's candidates for this request");
  }

  template <class Context>
  [[nodiscard, gnu::always_inline]] inline Reservation reserved(Slot* slot, typename Slot::Held& held,
                                                                Context& context) {
    if constexpr (TimesLeases<LoadOf<Policy>>) slot->begin(held, context.now());
    Lease<Slot> lease{slot, held};
    if constexpr (CountsChoices<LoadOf<Policy>>) {
      return {std::move(lease), slot->record(context.now())};
    } else {
      return {std::move(lease), {}};
    }
  }
  /// Reads the clock before anything is reserved: it is the caller's, and may throw.
  template <class Context>
  [[gnu::always_inline]] static inline void read_clock([[maybe_unused]] Context& context) {
    if constexpr (CountsChoices<LoadOf<Policy>> || TimesLeases<LoadOf<Policy>>) static_cast<void>(context.now());
  }

  /// Leaves in `rest_` who passes, and counts in `reason_` why the others do not. Flat: a call for each endpoint would
  /// cost clang's filters an eighth.
  template <class Request, class Compatible>
  [[gnu::flatten]] void screen(const Request& request, const Filter<Endpoint>& filter, const Compatible& compatible) {
    reason_ = snapshot_->left_out();
    rest_.clear();
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      Slot* const slot = candidates_.slot(i);
      if (const Reason reason = ruled_out(*slot, request, filter, compatible)) {
        ++(reason_.*reason);
      } else {
        rest_.push_back(slot);
      }
    }
  }

  // Rare, and out of line so that the rest is small enough to be inlined into the caller's loop.

  template <class Request>
  [[gnu::noinline, gnu::cold]] Reservation declined(const Request& request) {
    screen(request, Filter<Endpoint>{}, AnyEndpoint{});  // the full are not the policy's doing
    reason_.declined = static_cast<std::uint32_t>(rest_.size());
    return {};
  }
  [[gnu::noinline, gnu::cold]] std::shared_ptr<const void> fetch() {
    auto next = pool_->snapshot();
    rest_.reserve(next->candidates().size());  // here, so that choosing never allocates
    auto old = std::exchange(snapshot_, std::move(next));
    candidates_ = snapshot_->candidates();
    generation_ = snapshot_->generation();
    return old;
  }

  Candidates<Slot> candidates_;
  std::uint64_t generation_ = 0;
  const Policy* policy_;
  const Pool* pool_;
  [[no_unique_address]] State state_;
  std::shared_ptr<const typename Pool::Snapshot> snapshot_;
  std::vector<Slot*> rest_;  // scratch: the candidates that still come into question
  NoEndpoint reason_;        // of the last choice that found nobody
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
