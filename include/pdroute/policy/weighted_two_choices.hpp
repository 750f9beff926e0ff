// SPDX-License-Identifier: Apache-2.0
// WeightedTwoChoicesPolicy: draws two endpoints by weight and chooses the one with fewer requests for its weight.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/load/identity.hpp>
#include <pdroute/policy/choice_context.hpp>
#include <pdroute/policy/detail/weighted_choice.hpp>

namespace pdroute {
inline namespace v0 {

/// Weighted power of two choices: draws two distinct endpoints at random, in proportion to their weights
/// (`EndpointTraits::weight`), and chooses the second one if it is less busy for its weight.
///
/// Guarantees. The second one is chosen if its requests in flight, with this request, are no more per unit of weight
/// than those of the first without it. With equal weights, that is `PowerOfTwoChoicesPolicy<>`. So requests in flight
/// are in proportion to the weights under load, and the shares of requests are when the endpoints are idle, because
/// then the first one keeps the request. An endpoint with weight 0 is not chosen.
///
/// Use it when endpoints differ in a way that you know and requests take different times, above all when several
/// gateways share the pool. Do not use it when shares must be exact: `WeightedRoundRobinPolicy` is.
///
/// Complexity: O(n) to draw, two draws, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: nginx's `random two least_conn` with weights, which compares the requests in flight without the new one. At
/// low load that gives a light endpoint up to three times its share, because it is idle more often. Counting the new
/// request on both sides, as (in flight + 1) / weight, gives it nothing. Drawing both with equal probability gives no
/// endpoint more than 2 / n of the requests, whatever its weight. docs/policies/lowest-cost.md has the figures.
struct WeightedTwoChoicesPolicy {
  /// The load metric: the weight of the endpoint.
  using Load = Identity;

  /// Chooses one of two candidates, or none if there is none or all weights are 0.
  template <class Candidates>
    requires WeightedCandidates<Candidates> && CountedCandidates<Candidates>
  [[nodiscard]] auto select(const Candidates& candidates, const auto& /*request*/, ChoiceContext auto& context) const
      -> std::optional<std::size_t> {
    const auto first = detail::weighted_draw(candidates, context);
    if (!first) return std::nullopt;
    const auto second = detail::weighted_draw(candidates, context, first);
    return second && goes_before(candidates[*second], candidates[*first]) ? second : first;
  }
  /// Tells the requests in flight at both candidates that were drawn.
  void explain(const auto& candidates, const auto& /*request*/, auto& context, auto& trace) const {
    const auto first = detail::weighted_draw(candidates, context);
    if (!first) return;
    const auto second = detail::weighted_draw(candidates, context, first);
    for (const auto& drawn : std::array{first, second}) {
      if (drawn) trace.cost(*drawn, "in_flight", static_cast<double>(candidates[*drawn].in_flight()));
    }
    const bool moves = second && goes_before(candidates[*second], candidates[*first]);
    trace.reason(moves ? "less busy for its weight than the one drawn first" : "drawn first by weight of two");
  }

 private:
  /// Whether `second` with one request more has no more requests per weight than `first` has.
  [[nodiscard]] static bool goes_before(const auto& second, const auto& first) {
    const auto requests = [](const auto& candidate) { return static_cast<std::uint64_t>(candidate.in_flight()); };
    return (requests(second) + 1) * detail::candidate_weight(first) <=
           requests(first) * detail::candidate_weight(second);
  }
};

}  // namespace v0
}  // namespace pdroute
