// SPDX-License-Identifier: Apache-2.0
// Weights of candidates: the weight of one, the sum of all, and a random draw in proportion to weight.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The weight of a candidate, at most `max_endpoint_weight`. The router checks weights; a caller's own list may hold
/// any.
template <class Candidate>
[[nodiscard]] constexpr std::uint64_t candidate_weight(const Candidate& candidate) {
  return std::min<std::uint64_t>(candidate.weight(), max_endpoint_weight);
}

/// The sum of the weights of all candidates.
template <class Candidates>
[[nodiscard]] constexpr std::uint64_t sum_of_weights(const Candidates& candidates) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) sum += candidate_weight(candidates[i]);
  return sum;
}

/// The index of a random candidate, drawn in proportion to the weights. `without` is left out. None if all weights are
/// 0. Weights may change during the draw; then the last candidate with a weight may be drawn more readily. O(n).
template <class Candidates, class Context>
[[nodiscard]] constexpr std::optional<std::size_t> weighted_draw(const Candidates& candidates, Context& context,
                                                                 std::optional<std::size_t> without = {}) {
  std::uint64_t sum = sum_of_weights(candidates);
  if (without) sum -= std::min(sum, candidate_weight(candidates[*without]));
  if (sum == 0) return std::nullopt;
  std::uint64_t left = context.below(static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, UINT32_MAX)));
  std::optional<std::size_t> drawn;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::uint64_t weight = candidate_weight(candidates[i]);
    if (weight == 0 || i == without) continue;
    drawn = i;
    if (left < weight) break;
    left -= weight;
  }
  return drawn;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
