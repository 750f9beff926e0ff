// SPDX-License-Identifier: Apache-2.0
// WeightedRandomPolicy: chooses each endpoint with a probability in proportion to its weight.
#pragma once

#include <cstddef>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/load/identity.hpp>
#include <pdroute/policy/choice_context.hpp>
#include <pdroute/policy/detail/weighted_choice.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Weighted random: chooses at random among the eligible endpoints, each with a probability in proportion to its weight
/// (`EndpointTraits::weight`).
///
/// Guarantees. Choices are independent of each other, so the shares hold among the endpoints that are left when some
/// are full or filtered out, and right after a weight has changed. An endpoint with weight 0 is not chosen. The draws
/// are those of the dispatcher's generator: `Options::seed` of the router seeds it.
///
/// Use it to split traffic, such as a small share for a new version, where gateways must not fall into step. Do not use
/// it when shares must be exact: `WeightedRoundRobinPolicy` is; or when load matters: `WeightedTwoChoicesPolicy`.
///
/// Complexity: O(n), one draw, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
struct WeightedRandomPolicy {
  /// The load metric: the weight of the endpoint.
  using Load = Identity;
  /// What an explanation says of every choice.
  static constexpr std::string_view reason = "drawn at random, by weight";

  /// Chooses a candidate, or none if there is none or all weights are 0.
  [[nodiscard]] auto select(const WeightedCandidates auto& candidates, const auto& /*request*/,
                            ChoiceContext auto& context) const -> std::optional<std::size_t> {
    return detail::weighted_draw(candidates, context);
  }
};

}  // namespace v0
}  // namespace pdroute
