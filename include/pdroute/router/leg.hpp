// SPDX-License-Identifier: Apache-2.0
// One role's half of a dispatcher: the snapshot it reads, what it remembers for the policy, choose and reserve.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/policy_traits.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/pool/snapshot.hpp>
#include <utility>

namespace pdroute::inline v0::detail {

/// Thread-compatible, like the dispatcher that owns it. The policy and the pool must outlive it.
template <class Policy, class Endpoint>
class Leg {
 public:
  using Pool = EndpointPool<Endpoint, LoadOf<Policy>>;
  using Slot = typename Pool::Slot;
  using State = StateOf<Policy>;

  /// What `reserve` returns: a lease, or nothing. `undo` takes the reservation back as if it had not been made.
  class Reservation {
   public:
    Reservation() = default;
    explicit Reservation(Slot* slot) noexcept : lease(slot), slot_(slot) {}

    void record(auto now) { receipt_ = slot_->record(now); }

    void undo() noexcept {
      if constexpr (requires { slot_->undo(receipt_); }) slot_->undo(receipt_);
      lease.complete();
    }

    Lease<Slot> lease;

   private:
    Slot* slot_ = nullptr;
    [[no_unique_address]] typename Slot::Receipt receipt_{};
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
  [[nodiscard]] State& state() noexcept { return state_; }

  /// Chooses and reserves in one step. An endpoint that was closed meanwhile refuses; a list without it has been
  /// published by then, and the policy is asked again over that. An index out of range counts as none.
  /// Inlined by force, or clang spills the context to memory for a call.
  template <class Request, class Context>
  [[nodiscard, gnu::always_inline]] inline Reservation reserve(const Request& request, Context& context) {
    for (;;) {
      const std::optional<std::size_t> chosen = policy_->select(candidates_, request, context);
      if (!chosen || *chosen >= candidates_.size()) [[unlikely]]
        return {};
      Slot* const slot = candidates_.slot(*chosen);
      if (slot->SlotCount::try_reserve()) [[likely]] {
        Reservation reservation{slot};
        if constexpr (requires { slot->record(context.now()); }) reservation.record(context.now());
        return reservation;
      }
      refresh();
    }
  }

  /// Why there is nobody, right after `reserve` has returned nothing or for an empty list.
  [[nodiscard]] NoEndpoint nobody() const noexcept {
    NoEndpoint reason = snapshot_->left_out();
    reason.declined = static_cast<std::uint32_t>(candidates_.size());
    return reason;
  }

 private:
  // Rare, and out of line so that the rest is small enough to be inlined into the caller's loop.
  [[gnu::noinline, gnu::cold]] std::shared_ptr<const void> fetch() {
    auto old = std::exchange(snapshot_, pool_->snapshot());
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
};

}  // namespace pdroute::inline v0::detail
