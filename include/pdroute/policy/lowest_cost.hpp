// SPDX-License-Identifier: Apache-2.0
// LowestCostPolicy: the cheapest of the candidates that are looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/policy/cost.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/policy/explain_lowest.hpp>
#include <pdroute/policy/lowest.hpp>
#include <pdroute/policy/policy_traits.hpp>
#include <pdroute/policy/tell_cost.hpp>
#include <pdroute/policy/tie_rule.hpp>
#include <string>

namespace pdroute::inline v0 {

/// Looks at every candidate.
inline constexpr std::size_t everyone = 0;

/// Chooses the candidate with the lowest cost among those that it looks at: `everyone`, or so many distinct ones drawn
/// at random (all, if there are fewer).
///
/// Looking at everyone finds the best, at a cost that grows with the pool; and where many gateways look at the same
/// stale figures, all of them find the same one. A few random ones cost the same however large the pool, and do not
/// herd. Two are nearly as good as all: with m requests on n endpoints the busiest has O(log log n) more than the mean,
/// against O(log n / log log n) with one (Mitzenmacher 2001). Each further one helps little.
///
/// Guarantees. No candidate that was looked at is cheaper than the chosen one, as far as costs stood still meanwhile.
/// Ties among everyone follow `tie`; among random ones the first drawn wins, which favours nobody.
///
/// Cost: O(candidates looked at) evaluations of the cost; no allocation, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
template <class Cost, std::size_t looks = everyone, TieRule tie = TieRule::rotating>
struct LowestCostPolicy {
  [[no_unique_address]] Cost cost = {};

  using Load = detail::LoadOf<Cost>;
  [[nodiscard]] constexpr typename Load::Options load_options() const { return detail::load_options(cost); }
  [[nodiscard]] constexpr auto make_state(std::uint64_t /*stream*/) const noexcept {
    if constexpr (looks == everyone && tie == TieRule::rotating) {
      return detail::TieState{};
    } else {
      return detail::NoState{};
    }
  }
  [[nodiscard]] std::optional<ConfigError> check() const {
    if constexpr (requires { cost.check(); }) {
      return cost.check();
    } else {
      return std::nullopt;
    }
  }

  template <CandidateRange Candidates, class Request, ChoiceContext Context>
    requires CostFunction<Cost, Candidates, Request, Context>
  [[nodiscard, gnu::always_inline]] inline std::optional<std::size_t> select(const Candidates& candidates,
                                                                             const Request& request,
                                                                             Context& context) const {
    const auto prepare = [&](const auto& looked_at) { return detail::prepared(cost, looked_at, request, context); };
    if constexpr (looks == everyone) {
      return detail::lowest<tie>(candidates, prepare(candidates), context);
    } else {
      return detail::lowest_of_some<looks>(candidates, prepare, context);
    }
  }

  /// Tells the costs of those that `select` looks at.
  template <CandidateRange Candidates, class Request, ChoiceContext Context, class Account>
    requires CostFunction<Cost, Candidates, Request, Context>
  void explain(const Candidates& candidates, const Request& request, Context& context, Account& account) const {
    if constexpr (looks == everyone) {
      detail::tell_costs(
          candidates, detail::teller(cost, candidates, request, context), [](std::size_t i) { return i; }, account);
      const auto equal = detail::count_of_lowest(candidates, detail::prepared(cost, candidates, request, context));
      account.reason(detail::lowest_of(candidates.size(), equal, detail::tie_text<tie>(context)));
    } else {
      const auto prepare = [&](const auto& some) {  // is given those that the same draws find
        detail::tell_costs(
            some, detail::teller(cost, some, request, context), [&](std::size_t i) { return some.places[i]; }, account);
        auto evaluate = detail::prepared(cost, some, request, context);
        const auto drawn = some.size() < candidates.size() ? " drawn at random" : "";
        account.reason(detail::lowest_of(some.size(), detail::count_of_lowest(some, evaluate), "drawn first", drawn));
        return evaluate;
      };
      static_cast<void>(detail::lowest_of_some<looks>(candidates, prepare, context));
    }
  }
};

}  // namespace pdroute::inline v0
