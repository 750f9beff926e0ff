// SPDX-License-Identifier: Apache-2.0
// What a request demands of an endpoint, what all leases hold of it, and how much it may hold at most.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// What one request holds of an endpoint while its lease lasts.
struct Demand {
  std::uint64_t tokens = 0;     ///< to be computed there, such as the uncached tokens of the prompt
  std::uint64_t kv_tokens = 0;  ///< whose keys and values it keeps in the endpoint's memory
};

/// What all leases of an endpoint hold together; a quantity that its role does not count is absent.
struct Holdings {
  std::optional<std::uint64_t> tokens = {};
  std::optional<std::uint64_t> kv_tokens = {};

  friend bool operator==(const Holdings&, const Holdings&) = default;
};

/// The limits of one endpoint in one role. An absent limit means as many as 64 bits can count, so bound what clients
/// may claim. No choice passes a limit: a full endpoint refuses, and another one is chosen. Zero is refused as a
/// mistake; an endpoint that should take no requests is paused.
struct Capacity {
  /// The highest limit on requests, and what no limit means.
  static constexpr std::uint32_t max_requests = (std::uint32_t{1} << 22U) - 1;

  std::optional<std::uint32_t> requests = {};   ///< in flight at once; at most `max_requests`
  std::optional<std::uint64_t> tokens = {};     ///< of all leases together; needs a role that counts `Tokens`
  std::optional<std::uint64_t> kv_tokens = {};  ///< of all leases together; needs a role that counts `KvTokens`

  friend bool operator==(const Capacity&, const Capacity&) = default;
};

/// A quantity that leases hold and a `Capacity` limits. Pools, statuses, error messages and adapters go through
/// `LimitedQuantities`; no other header names a quantity unless it is about that one.
struct LimitedQuantity {
  std::string_view name;  ///< as an identifier: `pdroute_<name>_held`
  std::string_view unit;  ///< as text behind a number: "8000 KV tokens"
  std::uint64_t Demand::* demand;
  std::optional<std::uint64_t> Holdings::* held;
  std::optional<std::uint64_t> Capacity::* limit;
};

/// The quantities that the library knows. To add one, add a field to `Demand`, `Holdings` and `Capacity`, a constant
/// here and its name in `LimitedQuantities`; then a metric that counts it, see `LimitedCount`.
namespace quantity {

inline constexpr LimitedQuantity tokens{.name = "tokens",
                                        .unit = "tokens",
                                        .demand = &Demand::tokens,
                                        .held = &Holdings::tokens,
                                        .limit = &Capacity::tokens};
inline constexpr LimitedQuantity kv_tokens{.name = "kv_tokens",
                                           .unit = "KV tokens",
                                           .demand = &Demand::kv_tokens,
                                           .held = &Holdings::kv_tokens,
                                           .limit = &Capacity::kv_tokens};

}  // namespace quantity

/// A list of quantities, gone through at compile time.
template <const LimitedQuantity&... all>
struct QuantityList {
  /// Calls `visit.template operator()<quantity>()` for each.
  template <class Visit>
  static constexpr void each(const Visit& visit) {
    (visit.template operator()<all>(), ...);
  }
};

using LimitedQuantities = QuantityList<quantity::tokens, quantity::kv_tokens>;

}  // namespace v0
}  // namespace pdroute
