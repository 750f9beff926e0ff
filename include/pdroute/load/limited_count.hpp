// SPDX-License-Identifier: Apache-2.0
// LimitedCount: the load metric that counts one limited quantity, such as tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/load/detail/capped_sum.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// A load metric: how much of one quantity the leases of an endpoint hold together. A lease holds the `Demand` of its
/// request from the choice to its end. `Lease::progress` adds to it.
///
/// Guarantee: reservations never take the sum above the endpoint's limit. Progress may.
///
/// A metric for a quantity derives from this class and gives the sum a name that policies and costs read, as `Tokens`
/// does.
/// Complexity: O(1) for all members.
/// Thread safety: all members may be called from many threads at once; lock-free.
template <QuantityRef counted>
class LimitedCount {
 public:
  struct Options {};  ///< there are none
  /// What one lease stores.
  struct Held {
    std::uint64_t amount = 0;  ///< what the lease holds, in the unit of the quantity
  };

  LimitedCount() = default;  ///< sum 0, no limit
  /// Sum 0, no limit.
  explicit LimitedCount(Options /*options*/) noexcept {}

  /// Hook of `HoldsDemand`: whether `try_hold` would succeed now.
  [[nodiscard]] bool has_room(const Demand& demand) const noexcept { return sum_.has_room(demand.*counted.demand); }
  /// Hook of `HoldsDemand`: whether `try_hold` would succeed if no lease held anything.
  [[nodiscard]] bool could_hold(const Demand& demand) const noexcept { return sum_.could_fit(demand.*counted.demand); }
  /// Hook of `HoldsDemand`: adds the demand to the sum. If that would exceed the limit, adds nothing and returns false.
  [[nodiscard]] bool try_hold(const Demand& demand, Held& held) noexcept {
    if (!sum_.try_add(demand.*counted.demand)) return false;
    held.amount = demand.*counted.demand;
    return true;
  }
  /// Hook of `HoldsDemand`: the request has grown by `tokens`. This may exceed the limit. The sum never overflows.
  void grow(Held& held, std::uint64_t tokens) noexcept { held.amount += sum_.grow(tokens); }
  /// Hook of `HoldsDemand`: the lease has ended and holds nothing any more.
  void let_go(Held& held) noexcept {
    sum_.subtract(held.amount);
    held.amount = 0;
  }
  /// Hook of `HoldsDemand`: sets the limit, with immediate effect. A sum above the limit stays, and `try_hold` refuses
  /// until there is room.
  void set_capacity(const Capacity& capacity) noexcept { sum_.set_limit(capacity.*counted.limit); }

  /// The sum of what all leases hold now, in the unit of the quantity.
  [[nodiscard]] std::uint64_t sum() const noexcept { return sum_.value(); }
  /// The limit now; none if there is no limit.
  [[nodiscard]] std::optional<std::uint64_t> sum_limit() const noexcept { return sum_.limit(); }

 private:
  detail::CappedSum sum_;
};

/// Whether `Load` is `LimitedCount<quantity>` or derives from it, also through `Loads`.
template <class Load, QuantityRef quantity>
inline constexpr bool counts_quantity = std::is_base_of_v<LimitedCount<quantity>, Load>;

namespace detail {

/// The limits of all quantities that `load` counts. Costs one atomic read for each.
template <class Load>
[[nodiscard]] Capacity limits_of(const Load& load) noexcept {
  Capacity capacity;
  LimitedQuantities::each([&]<QuantityRef quantity>() {
    if constexpr (counts_quantity<Load, quantity>)
      capacity.*quantity.limit = static_cast<const LimitedCount<quantity>&>(load).sum_limit();
  });
  return capacity;
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
