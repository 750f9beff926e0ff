// SPDX-License-Identifier: Apache-2.0
// Weights of candidates: one, their sum, and a draw in proportion to them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

template <class Candidate>
[[nodiscard]] constexpr std::uint64_t candidate_weight(const Candidate& candidate) {
  return std::min<std::uint64_t>(candidate.weight(), max_endpoint_weight);
}

template <class Candidates>
[[nodiscard]] constexpr std::uint64_t sum_of_weights(const Candidates& candidates) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) sum += candidate_weight(candidates[i]);
  return sum;
}

/// One of the candidates, at random in proportion to the weights; nobody if nobody weighs anything. O(n).
template <class Candidates, class Context>
[[nodiscard]] constexpr std::optional<std::size_t> weighted_draw(const Candidates& candidates, Context& context) {
  const std::uint64_t sum = sum_of_weights(candidates);
  if (sum == 0) return std::nullopt;
  std::uint64_t left = context.below(static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, UINT32_MAX)));
  std::size_t i = 0;
  while (left >= candidate_weight(candidates[i])) left -= candidate_weight(candidates[i++]);
  return i;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
