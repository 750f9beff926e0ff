// SPDX-License-Identifier: Apache-2.0
// Concepts for load metrics. A metric implements only the hooks it needs.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <pdroute/capacity.hpp>

namespace pdroute {
inline namespace v0 {

/// A load metric: a class that measures how busy one endpoint is in one role, and that can be constructed from its
/// `Options`. `NoLoad` is the manual: it says when each hook is called, by which thread, and what happens if one is
/// missing. The other concepts of this header are groups of hooks. The library calls the hooks of a group only if the
/// metric has all of them.
template <class M>
concept LoadMetric = requires { typename M::Options; } && std::constructible_from<M, typename M::Options>;

/// A load metric that counts choices. The router calls `record` for each reservation, and `undo` with the returned
/// receipt if the reservation is taken back.
template <class M>
concept CountsChoices =
    LoadMetric<M> && requires(M& metric, std::chrono::steady_clock::time_point now, typename M::Receipt receipt) {
      { metric.record(now) } -> std::same_as<typename M::Receipt>;
      metric.undo(receipt);
    };

/// A load metric in which each lease holds a demand until it ends, within the limits of a `Capacity`. The router calls
/// `try_hold` to reserve and `has_room` to ask whether that would succeed; leases call `grow` and `let_go`; the pool
/// calls `set_capacity`.
template <class M>
concept HoldsDemand = LoadMetric<M> && requires(M& metric, const M& constant, typename M::Held& held,
                                                const Demand& demand, const Capacity& capacity, std::uint64_t tokens) {
  { metric.try_hold(demand, held) } -> std::same_as<bool>;
  { constant.has_room(demand) } -> std::same_as<bool>;
  metric.grow(held, tokens);
  metric.let_go(held);
  metric.set_capacity(capacity);
};

/// A load metric that measures how long leases take. The router calls `begin` for each reservation; leases call
/// `first_token` and `complete`. Leases of such a role must be told the time when they are completed.
template <class M>
concept TimesLeases =
    LoadMetric<M> && requires(M& metric, std::chrono::steady_clock::time_point now, typename M::Held& held) {
      metric.begin(held, now);
      metric.first_token(held, now);
      metric.complete(held, now);
    };

/// A load metric that knows which endpoint it belongs to. The pool calls `identify` before another thread sees the
/// metric, and again with the same hash when the weight changes, while other threads read the metric.
template <class M>
concept IdentifiesEndpoint = LoadMetric<M> && requires(M& metric, std::uint64_t id_hash, std::uint32_t weight) {
  metric.identify(id_hash, weight);
};

namespace detail {

/// The load metric of a router: `Load`, whose hooks are given time points of this clock and no other.
template <LoadMetric Load, class Clock>
class OnClock : public Load {
 public:
  using RouterClock = Clock;
  using Load::Load;
};

/// What the router or a lease stores for a metric that asks for no storage.
struct Nothing {};

template <class M>
struct ReceiptOfMetric {
  using Type = Nothing;
};
template <CountsChoices M>
struct ReceiptOfMetric<M> {
  using Type = typename M::Receipt;
};
/// The metric's `Receipt`: what the router keeps during one choice in order to take it back.
template <class M>
using ReceiptOf = typename ReceiptOfMetric<M>::Type;

template <class M>
struct HeldOfMetric {
  using Type = Nothing;
};
template <class M>
  requires requires { typename M::Held; }
struct HeldOfMetric<M> {
  using Type = typename M::Held;
};
/// The metric's `Held`: what a lease keeps until it ends.
template <class M>
using HeldOf = typename HeldOfMetric<M>::Type;

/// Tells the metric that the prompt is computed, if it has the hook.
template <class M>
void computed(M& metric, HeldOf<M>& held) noexcept {
  if constexpr (requires { metric.computed(held); }) metric.computed(held);
}

/// Whether the endpoint could hold the demand if no lease held anything; yes for a metric that does not say.
template <class M>
[[nodiscard]] bool could_hold(const M& metric, const Demand& demand) {
  if constexpr (HoldsDemand<M> && requires {
                  { metric.could_hold(demand) } -> std::same_as<bool>;
                }) {
    return metric.could_hold(demand);
  } else {
    return true;
  }
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
