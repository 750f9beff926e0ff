// SPDX-License-Identifier: Apache-2.0
// Tokens and KvTokens: load metrics that count the tokens held by leases.
#pragma once

#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/load/limited_count.hpp>

namespace pdroute {
inline namespace v0 {

/// A load metric: tokens to compute, the sum of `Demand::tokens` over all leases. For prefill, these are the uncached
/// tokens of all prompts that wait or run. `Capacity::tokens` limits it. A prefill lease holds them until its prompt is
/// computed: until `Lease::staged` or its end.
class Tokens : public LimitedCount<quantity::tokens> {
 public:
  using LimitedCount::LimitedCount;
  /// Hook of `HoldsDemand`: the prompt is computed, so the lease holds no tokens any more.
  void computed(Held& held) noexcept { let_go(held); }
  /// The tokens that all leases hold now.
  [[nodiscard]] std::uint64_t tokens() const noexcept { return sum(); }
};

/// A load metric: tokens for which the endpoint keeps keys and values, the sum of `Demand::kv_tokens` over all leases.
/// It includes tokens that are reserved and have not arrived yet. `Capacity::kv_tokens` limits it.
class KvTokens : public LimitedCount<quantity::kv_tokens> {
 public:
  using LimitedCount::LimitedCount;
  /// The KV tokens that all leases hold now.
  [[nodiscard]] std::uint64_t kv_tokens() const noexcept { return sum(); }
};

}  // namespace v0
}  // namespace pdroute
