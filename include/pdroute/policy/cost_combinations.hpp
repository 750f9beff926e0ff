// SPDX-License-Identifier: Apache-2.0
// Several costs as one: by the first and then by the next, or as a weighted sum.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/number_text.hpp>
#include <pdroute/policy/cost.hpp>
#include <pdroute/policy/policy_traits.hpp>
#include <pdroute/policy/tell_cost.hpp>
#include <string>
#include <tuple>
#include <utility>

namespace pdroute::inline v0 {

namespace detail {

/// What combinations have in common: the costs, the load that they read together, and what is wrong with them.
template <class... Costs>
struct CombinedCosts {
  static_assert(sizeof...(Costs) > 0, "pdroute: a combination of costs needs one cost at least");

  std::tuple<Costs...> costs = {};

  using Load = JoinedLoads<LoadOf<Costs>...>;
  [[nodiscard]] constexpr typename Load::Options load_options() const {
    return std::apply([](const auto&... each) { return detail::joined_options<Load>(each...); }, costs);
  }
  [[nodiscard]] std::optional<ConfigError> check() const {
    return std::apply(
        [](const auto&... each) {
          std::optional<ConfigError> error;
          static_cast<void>(((error = detail::check_configuration(each)) || ...));
          return error;
        },
        costs);
  }
  /// For explanations: tells each of the costs.
  template <class LookedAt, class Request, class Context>
  [[nodiscard]] auto teller(const LookedAt& looked_at, const Request& request, Context& context) const {
    return std::apply(
        [&](const auto&... each) {
          return [tellers = std::tuple{detail::teller(each, looked_at, request, context)...}](const auto& candidate,
                                                                                              const auto& visit) {
            std::apply([&](const auto&... tell) { (tell(candidate, visit), ...); }, tellers);
          };
        },
        costs);
  }

 protected:
  /// `combine(values...)` for each candidate.
  template <class LookedAt, class Request, class Context, class Combine>
  [[nodiscard]] constexpr auto prepare_all(const LookedAt& looked_at, const Request& request, Context& context,
                                           Combine combine) const {
    return std::apply(
        [&](const auto&... each) {
          return [combine, evaluations = std::tuple{detail::prepared(each, looked_at, request, context)...}](
                     const auto& candidate) {
            return std::apply([&](const auto&... evaluate) { return combine(evaluate(candidate)...); }, evaluations);
          };
        },
        costs);
  }
};

/// What is not a number goes last, also within a combination.
template <class Value>
[[nodiscard]] constexpr Value last_unless_number(const Value& value) {
  if constexpr (std::floating_point<Value>) {
    return value == value ? value : std::numeric_limits<Value>::infinity();
  } else {
    return value;
  }
}

}  // namespace detail

/// A cost: the first of `Costs`; where two candidates are equal in it, the second, and so on.
///
///     using FewestTokensThenRequests = pdroute::LowestCostPolicy<pdroute::Lexicographic<QueuedTokens, InFlight>>;
///
/// Use it for costs that are often equal, such as counts; a fine-grained one leaves nothing to those behind it. Each
/// candidate is looked at once; all costs are evaluated.
template <class... Costs>
struct Lexicographic : detail::CombinedCosts<Costs...> {
  template <class LookedAt, class Request, class Context>
  [[nodiscard]] constexpr auto prepare(const LookedAt& looked_at, const Request& request, Context& context) const {
    return this->prepare_all(looked_at, request, context,
                             [](const auto&... values) { return std::tuple{detail::last_unless_number(values)...}; });
  }
};

/// A cost: the sum of `Costs`, each multiplied by its weight. Units are the caller's business: weights turn requests,
/// tokens and seconds into one of them. As with llm-d's scorers, except that nothing is normalised over the candidates:
/// what one of them costs does not depend on the others.
///
///     LowestCostPolicy<WeightedSum<InFlight, HeldKvTokens>> policy{{.weights = {1, 1.0 / 4096}}};
template <class... Costs>
struct WeightedSum : detail::CombinedCosts<Costs...> {
  std::array<double, sizeof...(Costs)> weights = {};

  [[nodiscard]] std::optional<ConfigError> check() const {
    for (const double weight : weights) {
      if (!(std::isfinite(weight) && weight >= 0))
        return ConfigError{ConfigError::Rule::weight_in_range, detail::number_text(weight)};
    }
    return detail::CombinedCosts<Costs...>::check();
  }
  template <class LookedAt, class Request, class Context>
  [[nodiscard]] constexpr auto prepare(const LookedAt& looked_at, const Request& request, Context& context) const {
    return this->prepare_all(looked_at, request, context, [this](const auto&... values) {
      return [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
        // Weighed by nothing, not even what is infinite counts.
        return ((weights[i] > 0 ? weights[i] * static_cast<double>(values) : 0) + ...);
      }(std::index_sequence_for<Costs...>{});
    });
  }
  /// For explanations: tells each of the costs as it is, without its weight, and then the sum.
  template <class LookedAt, class Request, class Context>
  [[nodiscard]] auto teller(const LookedAt& looked_at, const Request& request, Context& context) const {
    return [parts = detail::CombinedCosts<Costs...>::teller(looked_at, request, context),
            sum = prepare(looked_at, request, context)](const auto& candidate, const auto& visit) {
      parts(candidate, visit);
      visit("sum", sum(candidate));
    };
  }
};

}  // namespace pdroute::inline v0
