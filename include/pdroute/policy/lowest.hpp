// SPDX-License-Identifier: Apache-2.0
// The candidate with the lowest cost, ties by rule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/policy/tie_rule.hpp>

namespace pdroute::inline v0::detail {

/// What a dispatcher remembers between two choices of `lowest`.
struct TieState {
  std::size_t next = 0;  // the index after the last choice
};

/// The index with the lowest `cost(candidate)`; each candidate is looked at once (twice for random ties).
template <TieRule tie, class Candidates, class Cost, class Context>
[[nodiscard]] std::optional<std::size_t> lowest(const Candidates& candidates, const Cost& cost, Context& context) {
  const std::size_t n = candidates.size();
  if (n == 0) return std::nullopt;
  std::size_t start = 0;
  if constexpr (tie == TieRule::rotating) start = context.state().next < n ? context.state().next : 0;

  std::size_t best = start;
  auto least = cost(candidates[start]);
  const auto look_at = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (const auto c = cost(candidates[i]); c < least) {
        least = c;
        best = i;
      }
    }
  };
  look_at(start + 1, n);
  look_at(0, start);

  if constexpr (tie == TieRule::rotating) {
    context.state().next = best + 1;
  } else if constexpr (tie == TieRule::random) {
    // Costs may change between two looks, so draw among those that are still at most the least.
    std::uint32_t ties = 0;
    for (std::size_t i = best; i < n; ++i) {
      if (cost(candidates[i]) <= least && context.below(++ties) == 0) best = i;
    }
  }
  return best;
}

}  // namespace pdroute::inline v0::detail
