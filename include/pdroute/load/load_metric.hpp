// SPDX-License-Identifier: Apache-2.0
// What a load metric can do, as concepts; what it does not do, as nothing.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <pdroute/capacity.hpp>

namespace pdroute {
inline namespace v0 {

/// A measure of how busy one endpoint is; see `NoLoad` for the members. The next three say more.
template <class M>
concept LoadMetric = requires { typename M::Options; } && std::constructible_from<M, typename M::Options>;

/// A metric that is told of every choice and when it was made.
template <class M>
concept CountsChoices =
    LoadMetric<M> && requires(M& metric, std::chrono::steady_clock::time_point now, typename M::Receipt receipt) {
      { metric.record(now) } -> std::same_as<typename M::Receipt>;
      metric.undo(receipt);
    };

/// A metric in which each lease holds a weight until it ends.
template <class M>
concept HoldsDemand = LoadMetric<M> && requires(M& metric, const M& constant, typename M::Held& held,
                                                const Demand& weight, const Capacity& capacity, std::uint64_t tokens) {
  { metric.try_hold(weight, held) } -> std::same_as<bool>;
  { constant.has_room(weight) } -> std::same_as<bool>;
  metric.grow(held, tokens);
  metric.let_go(held);
  metric.set_capacity(capacity);
};

/// A metric that measures how long leases take.
template <class M>
concept TimesLeases =
    LoadMetric<M> && requires(M& metric, std::chrono::steady_clock::time_point now, typename M::Held& held) {
      metric.begin(held, now);
      metric.first_token(held, now);
      metric.complete(held, now);
    };

/// A metric that is told which endpoint it belongs to.
template <class M>
concept IdentifiesEndpoint = LoadMetric<M> && requires(M& metric, std::uint64_t id_hash, std::uint32_t weight) {
  metric.identify(id_hash, weight);
};

namespace detail {

struct Nothing {};

template <class M>
struct ReceiptOfMetric {
  using Type = Nothing;
};
template <CountsChoices M>
struct ReceiptOfMetric<M> {
  using Type = typename M::Receipt;
};
/// What the router keeps during one choice, to take it back.
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
/// What a lease keeps until its end.
template <class M>
using HeldOf = typename HeldOfMetric<M>::Type;

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
