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
#include <vector>

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
    Reservation(Slot* slot, typename Slot::Receipt receipt) noexcept : lease(slot), slot_(slot), receipt_(receipt) {}

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
      : policy_(&policy), pool_(&pool), state_(make_state(policy, stream)) {
    fetch();
  }

  /// Makes sure that the next choice sees every change that had been published before this call.
  void refresh() {
    if (pool_->generation() != generation_) [[unlikely]]
      fetch();
  }

  [[nodiscard]] std::size_t size() const noexcept { return candidates_.size(); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] State& state() noexcept { return state_; }

  /// Chooses and reserves in one step. An endpoint that was closed since the snapshot refuses; it is taken out and the
  /// policy is asked again, at most once per endpoint. An index out of range counts as none.
  /// Inlined by force, or clang spills the context to memory for a call.
  template <class Request, class Context>
  [[nodiscard, gnu::always_inline]] inline Reservation reserve(const Request& request, Context& context) {
    Candidates<Slot> candidates = candidates_;
    for (;;) {
      const std::optional<std::size_t> chosen = policy_->select(candidates, request, context);
      if (!chosen || *chosen >= candidates.size()) [[unlikely]] {
        declined_ = candidates.size();
        return {};
      }
      Slot* const slot = candidates.slot(*chosen);
      if (slot->try_reserve()) [[likely]] {
        if constexpr (requires { slot->record(context.now()); }) {
          return {slot, slot->record(context.now())};
        } else {
          return {slot, {}};
        }
      }
      candidates = without(candidates, *chosen);
    }
  }

  /// Why there is nobody: for an empty snapshot, or right after `reserve` has returned nothing.
  [[nodiscard]] NoEndpoint nobody() const noexcept {
    NoEndpoint reason = snapshot_->left_out();
    reason.declined = static_cast<std::uint32_t>(declined_);
    reason.draining += static_cast<std::uint32_t>(candidates_.size() - declined_);
    return reason;
  }

 private:
  // What is rare stays out of line, so that the rest is small enough to be inlined into the caller's loop.

  [[gnu::noinline, gnu::cold]] void fetch() {
    snapshot_ = pool_->snapshot();
    candidates_ = snapshot_->candidates();
    generation_ = snapshot_->generation();
    scratch_.reserve(candidates_.size());
    declined_ = 0;
  }

  [[nodiscard, gnu::noinline, gnu::cold]] Candidates<Slot> without(Candidates<Slot> candidates, std::size_t index) {
    std::size_t kept = 0;
    scratch_.resize(candidates_.size());  // within what fetch() reserved
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (i != index) scratch_[kept++] = candidates.slot(i);
    }
    return {scratch_.data(), kept};
  }

  Candidates<Slot> candidates_;
  std::uint64_t generation_ = 0;
  const Policy* policy_;
  const Pool* pool_;
  [[no_unique_address]] State state_;
  std::size_t declined_ = 0;  // by the last choice that found nobody
  std::shared_ptr<const typename Pool::Snapshot> snapshot_;
  std::vector<Slot*> scratch_;
};

}  // namespace pdroute::inline v0::detail
