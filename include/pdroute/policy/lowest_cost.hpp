// SPDX-License-Identifier: Apache-2.0
// LowestCostPolicy: the cheapest of the candidates that are compared.
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
#include <pdroute/policy/tie_rule.hpp>

namespace pdroute {
inline namespace v0 {

/// The number of choices that means: compare every candidate.
inline constexpr std::size_t all_candidates = 0;

/// Chooses the candidate with the lowest cost among those that it compares: `all_candidates`, or `choices` distinct ones
/// drawn at random (all, if there are fewer).
///
/// Comparing all finds the best, at a cost that grows with the pool; and where many gateways compare the same stale
/// figures, all of them choose the same endpoint. A few random choices cost the same however large the pool, and do not
/// herd. Two are nearly as good as all: with m requests on n endpoints the busiest has O(log log n) more than the mean,
/// against O(log n / log log n) with one (Mitzenmacher 2001). Each further choice helps little.
///
/// Guarantees. No candidate that was compared is cheaper than the chosen one, as far as costs stood still meanwhile.
/// Ties among all candidates follow `tie`; among random choices the first drawn wins, which favours none of them.
///
/// Complexity: O(choices) evaluations of the cost; no allocation, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
template <class Cost, std::size_t choices = all_candidates, TieRule tie = TieRule::rotating>
struct LowestCostPolicy {
  [[no_unique_address]] Cost cost = {};  ///< what a candidate costs, see `CostFunction`

  using Load = detail::LoadOf<Cost>;  ///< the load metric that the cost reads
  [[nodiscard]] constexpr typename Load::Options load_options() const { return detail::load_options(cost); }
  [[nodiscard]] constexpr auto make_state(std::uint64_t /*stream*/) const noexcept {
    if constexpr (choices == all_candidates && tie == TieRule::rotating) {
      return detail::TieState{};
    } else {
      return detail::NoState{};
    }
  }
  [[nodiscard]] std::optional<ConfigError> check() const { return detail::check_configuration(cost); }

  // Template heads, because g++ 12 crashes on a requires-clause that names the parameters of an abbreviated template.
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

  /// Tells the costs of the candidates that `select` compares.
  template <CandidateRange Candidates, class Request, class Context>
    requires CostFunction<Cost, Candidates, Request, Context>
  void explain(const Candidates& candidates, const Request& request, Context& context, auto& trace) const {
    if constexpr (choices == all_candidates) {
      detail::tell_costs(
          candidates, detail::teller(cost, candidates, request, context), [](std::size_t i) { return i; }, trace);
      const auto equal = detail::count_of_lowest(candidates, detail::prepared(cost, candidates, request, context));
      trace.reason(detail::lowest_of(candidates.size(), equal, detail::tie_text<tie>(context)));
    } else {
      const auto prepare = [&](const auto& some) {  // is given those that the same draws find
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
