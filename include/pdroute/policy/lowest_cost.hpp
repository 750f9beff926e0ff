// SPDX-License-Identifier: Apache-2.0
// LowestCostPolicy: chooses the candidate with the lowest cost, among all or among a few random ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/cost/cost.hpp>
#include <pdroute/policy/detail/explain_lowest.hpp>
#include <pdroute/policy/detail/lowest.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/detail/turn_state.hpp>
#include <pdroute/policy/tie_rule.hpp>

namespace pdroute {
inline namespace v0 {

/// The value of `choices` with which `LowestCostPolicy` compares every candidate.
inline constexpr std::size_t all_candidates = 0;

/// Chooses the candidate with the lowest cost among those that it compares: `all_candidates`, or `choices` distinct
/// ones drawn at random (all, if there are fewer).
///
/// Guarantees. No candidate that was compared is cheaper than the chosen one, as long as the costs do not change during
/// the choice. Ties among all candidates follow `tie`. Among random choices, the one drawn first wins, which favours
/// none of them.
///
/// Use it when a number per candidate says which one is best. Compare all candidates when the pool is small: this finds
/// the best one, but the cost grows with the pool. Compare two when the pool is large or when many gateways share it.
/// With n requests on n endpoints, the busiest then has O(log log n) requests, against O(log n / log log n) with one
/// choice; each further choice helps little. Do not compare all when many gateways read the same stale
/// figures: all of them would choose the same endpoint.
///
/// Complexity: O(choices) evaluations of the cost, or O(n) with `all_candidates`. No allocation, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001, for random choices.
template <class Cost, std::size_t choices = all_candidates, TieRule tie = TieRule::rotating>
struct LowestCostPolicy {
  [[no_unique_address]] Cost cost = {};  ///< what a candidate costs, see `CostFunction`

  using Load = detail::LoadOf<Cost>;  ///< the load metric that the cost reads
  /// The options of that load metric.
  [[nodiscard]] constexpr typename Load::Options load_options() const { return detail::load_options(cost); }
  /// Makes the state for one leg of one dispatcher: the position of rotating ties, otherwise empty.
  [[nodiscard]] constexpr auto make_state([[maybe_unused]] std::uint64_t stream) const noexcept {
    if constexpr (choices == all_candidates && tie == TieRule::rotating) {
      return detail::TurnState{stream};
    } else {
      return detail::NoState{};
    }
  }
  /// Says what is wrong with the parameters of the cost, if anything is.
  [[nodiscard]] std::optional<ConfigError> check() const { return detail::check_configuration(cost); }

  // `select` and `explain` have template heads, because g++ 12 crashes on a requires-clause that names the parameters
  // of an abbreviated template.

  /// Chooses the cheapest of the compared candidates, or none if there is none.
  template <CandidateRange Candidates, class Request, class Context>
    requires CostFunction<Cost, Candidates, Request, Context>
  [[nodiscard, gnu::always_inline]] inline auto select(const Candidates& candidates, const Request& request,
                                                       Context& context) const -> std::optional<std::size_t> {
    const auto prepare = [&](const auto& compared) { return detail::prepared(cost, compared, request, context); };
    if constexpr (choices == all_candidates) {
      return detail::lowest<tie>(candidates, prepare(candidates), context);
    } else {
      return detail::lowest_of_some<choices>(candidates, prepare, context);
    }
  }

  /// Tells the costs of the candidates that `select` compares, and how many share the lowest cost.
  template <CandidateRange Candidates, class Request, class Context>
    requires CostFunction<Cost, Candidates, Request, Context>
  void explain(const Candidates& candidates, const Request& request, Context& context, auto& trace) const {
    if constexpr (choices == all_candidates) {
      detail::tell_costs(
          candidates, detail::teller(cost, candidates, request, context), [](std::size_t i) { return i; }, trace);
      const auto equal = detail::count_of_lowest(candidates, detail::prepared(cost, candidates, request, context));
      trace.reason(detail::lowest_of(candidates.size(), equal, detail::tie_text<tie>(candidates, context)));
    } else {
      const auto prepare = [&](const auto& some) {  // called with the candidates that `select` would draw
        detail::tell_costs(
            some, detail::teller(cost, some, request, context), [&](std::size_t i) { return some.places[i]; }, trace);
        auto evaluate = detail::prepared(cost, some, request, context);
        const auto drawn = some.size() < candidates.size() ? " drawn at random" : "";
        trace.reason(detail::lowest_of(some.size(), detail::count_of_lowest(some, evaluate), "drawn first", drawn));
        return evaluate;
      };
      static_cast<void>(detail::lowest_of_some<choices>(candidates, prepare, context));
    }
  }
};

}  // namespace v0
}  // namespace pdroute
