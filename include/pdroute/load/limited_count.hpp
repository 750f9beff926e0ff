// SPDX-License-Identifier: Apache-2.0
// LimitedCount: the load metric that counts one limited quantity.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/load/detail/capped_sum.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// A load metric: how much of one quantity the leases of an endpoint hold. A lease holds what its request demands from
/// the choice to its end, more if `Lease::progress` says so.
///
/// Reservations never take the sum above the endpoint's limit; progress may.
///
/// A metric for a quantity derives from this and gives the sum a name that policies and costs read, as `Tokens` does.
/// Thread safety: all members may be called from many threads at once; lock-free.
template <const LimitedQuantity& counted>
class LimitedCount {
 public:
  struct Options {};
  /// What one lease holds.
  struct Held {
    std::uint64_t amount = 0;
  };

  LimitedCount() = default;
  explicit LimitedCount(Options /*options*/) noexcept {}

  /// Whether `try_hold` would succeed now.
  [[nodiscard]] bool has_room(const Demand& demand) const noexcept { return sum_.has_room(demand.*counted.demand); }
  /// Adds the demand to the sum unless that passes the limit.
  [[nodiscard]] bool try_hold(const Demand& demand, Held& held) noexcept {
    if (!sum_.try_add(demand.*counted.demand)) return false;
    held.amount = demand.*counted.demand;
    return true;
  }
  /// The request has grown by so many tokens; this may pass the limit.
  void grow(Held& held, std::uint64_t tokens) noexcept { held.amount += sum_.grow(tokens); }
  /// The lease has ended.
  void let_go(Held& held) noexcept {
    sum_.subtract(held.amount);
    held.amount = 0;
  }
  /// Sets the limit, at once. A sum above it stays; nothing is added until there is room.
  void set_capacity(const Capacity& capacity) noexcept { sum_.set_limit(capacity.*counted.limit); }

  /// The sum now.
  [[nodiscard]] std::uint64_t sum() const noexcept { return sum_.value(); }
  /// The limit now; absent if there is none.
  [[nodiscard]] std::optional<std::uint64_t> sum_limit() const noexcept { return sum_.limit(); }

 private:
  detail::CappedSum sum_;
};

/// Whether a load counts the quantity, alone or as one of its `Loads`.
template <class Load, const LimitedQuantity& quantity>
inline constexpr bool counts_quantity = std::is_base_of_v<LimitedCount<quantity>, Load>;

}  // namespace v0
}  // namespace pdroute
