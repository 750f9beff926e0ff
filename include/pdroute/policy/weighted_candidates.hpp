// SPDX-License-Identifier: Apache-2.0
// What policies that weigh endpoints read of a candidate: its weight, and the hash of its id.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <pdroute/policy/endpoint_selector.hpp>

namespace pdroute::inline v0 {

/// Candidates that tell how much each can take compared with the others, as `Identity` does: an integer from 1 to
/// `highest_endpoint_weight`. Where nobody has checked that, as in a list of the caller's own, a weight of 0 gets
/// nothing and a higher one counts as the highest.
template <class C>
concept WeightedCandidates = CandidateRange<C> && requires(const C& candidates, std::size_t i) {
  { candidates[i].weight() } -> std::unsigned_integral;
};

/// Weighted candidates that also tell a hash of their id, as `Identity` does. Different ids should have different
/// hashes.
template <class C>
concept IdentifiedCandidates = WeightedCandidates<C> && requires(const C& candidates, std::size_t i) {
  { candidates[i].id_hash() } -> std::same_as<std::uint64_t>;
};

namespace detail {

template <class Candidate>
[[nodiscard]] constexpr std::uint64_t candidate_weight(const Candidate& candidate) {
  return std::min<std::uint64_t>(candidate.weight(), highest_endpoint_weight);
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

}  // namespace pdroute::inline v0
