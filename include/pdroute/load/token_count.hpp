// SPDX-License-Identifier: Apache-2.0
// Tokens and KvTokens: load metrics that count the tokens that leases hold.
#pragma once

#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/load/limited_count.hpp>

namespace pdroute {
inline namespace v0 {

/// Tokens to be computed: for prefill, the uncached tokens of all prompts that wait or run.
class Tokens : public LimitedCount<quantity::tokens> {
 public:
  using LimitedCount::LimitedCount;
  [[nodiscard]] std::uint64_t tokens() const noexcept { return sum(); }
};

/// Tokens whose keys and values the endpoint keeps, including those that are reserved and have yet to arrive.
class KvTokens : public LimitedCount<quantity::kv_tokens> {
 public:
  using LimitedCount::LimitedCount;
  [[nodiscard]] std::uint64_t kv_tokens() const noexcept { return sum(); }
};

}  // namespace v0
}  // namespace pdroute
