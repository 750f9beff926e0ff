// SPDX-License-Identifier: Apache-2.0
// Demand, Holdings and Capacity: what a request needs of an endpoint, what all its leases hold, and its limits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// What one request needs of an endpoint. Its lease holds that much until it ends, and more after `Lease::progress`.
struct Demand {
  std::uint64_t tokens = 0;     ///< tokens to compute there, such as the uncached tokens of the prompt
  std::uint64_t kv_tokens = 0;  ///< tokens for which the endpoint keeps keys and values in memory
};

/// The sum of what all leases of an endpoint hold in one role. A quantity that the role does not count is absent.
struct Holdings {
  std::optional<std::uint64_t> tokens = {};     ///< sum of `Demand::tokens`; needs a role that counts `Tokens`
  std::optional<std::uint64_t> kv_tokens = {};  ///< sum of `Demand::kv_tokens`; needs a role that counts `KvTokens`

  /// Equal if all members are equal.
  friend bool operator==(const Holdings&, const Holdings&) = default;
};

/// The limits of one endpoint in one role. No choice exceeds a limit: a full endpoint refuses, and the policy chooses
/// another one. An absent limit on tokens means as many as 64 bits can count, so bound what clients may claim. A limit
/// of zero is an error; to give an endpoint no requests, pause it.
struct Capacity {
  /// The highest limit on requests; also the limit that applies where none is set.
  static constexpr std::uint32_t max_requests = (std::uint32_t{1} << 22U) - 1;

  std::optional<std::uint32_t> requests = {};   ///< requests in flight at once, from 1 to `max_requests`
  std::optional<std::uint64_t> tokens = {};     ///< tokens of all leases; needs a role that counts `Tokens`
  std::optional<std::uint64_t> kv_tokens = {};  ///< KV tokens of all leases; needs a role that counts `KvTokens`

  /// Equal if all members are equal.
  friend bool operator==(const Capacity&, const Capacity&) = default;
};

/// Describes a quantity that leases hold and that a `Capacity` limits. Pools, statuses, error messages and adapters
/// iterate over `LimitedQuantities`. So only the headers about one quantity name it.
struct LimitedQuantity {
  std::string_view name;           ///< the name as an identifier, as in the Prometheus metric `pdroute_<name>_held`
  std::string_view unit;           ///< the unit in text after a number, as in "8000 KV tokens"
  std::uint64_t Demand::* demand;  ///< its member of `Demand`
  std::optional<std::uint64_t> Holdings::* held;   ///< its member of `Holdings`
  std::optional<std::uint64_t> Capacity::* limit;  ///< its member of `Capacity`
};

/// A quantity as a template argument: one of the constants in namespace `quantity`.
using QuantityRef = const LimitedQuantity&;

/// The quantities that the library knows. To add one: add a member to `Demand`, `Holdings` and `Capacity`, a constant
/// here, its name in `LimitedQuantities`, and a load metric that counts it (see `LimitedCount`).
namespace quantity {

/// Tokens to compute; the load metric `Tokens` counts them.
inline constexpr LimitedQuantity tokens{.name = "tokens",
                                        .unit = "tokens",
                                        .demand = &Demand::tokens,
                                        .held = &Holdings::tokens,
                                        .limit = &Capacity::tokens};
/// Tokens for which keys and values are kept; the load metric `KvTokens` counts them.
inline constexpr LimitedQuantity kv_tokens{.name = "kv_tokens",
                                           .unit = "KV tokens",
                                           .demand = &Demand::kv_tokens,
                                           .held = &Holdings::kv_tokens,
                                           .limit = &Capacity::kv_tokens};

}  // namespace quantity

/// A compile-time list of quantities.
template <QuantityRef... all>
struct QuantityList {
  /// Calls `visit.template operator()<quantity>()` for each quantity, in the order of the list.
  template <class Visit>
  static constexpr void each(const Visit& visit) {
    (visit.template operator()<all>(), ...);
  }
};

/// All quantities that the library knows.
using LimitedQuantities = QuantityList<quantity::tokens, quantity::kv_tokens>;

}  // namespace v0
}  // namespace pdroute
