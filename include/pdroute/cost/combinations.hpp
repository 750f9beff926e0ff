// SPDX-License-Identifier: Apache-2.0
// Lexicographic and WeightedSum: costs that combine several costs into one.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/cost/detail/combined_costs.hpp>
#include <tuple>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// A cost: lexicographic order. Candidates are compared by the first of `Costs`; where they are equal in it, by the
/// second, and so on.
///
///     using FewestTokensThenRequests = pdroute::LowestCostPolicy<pdroute::Lexicographic<QueuedTokens, InFlight>>;
///
/// Unit: each part has the unit of its cost. Reads the load metrics of all `Costs`, each stored once.
///
/// Use it for costs that are often equal, such as counts. A fine-grained cost such as a latency is hardly ever equal,
/// so the costs after it never decide. A part that is not a number (NaN) counts as infinite.
/// Complexity: one pass over the candidates; all costs are evaluated for each.
template <class... Costs>
struct Lexicographic : detail::CombinedCosts<Costs...> {
  /// The cost function of one choice, see `CostFunction`.
  template <class Compared, class Request, class Context>
  [[nodiscard]] constexpr auto prepare(const Compared& compared, const Request& request, Context& context) const {
    return this->prepare_all(compared, request, context,
                             [](const auto&... values) { return std::tuple{detail::last_unless_number(values)...}; });
  }
};

/// A cost: a weighted sum, the sum of `Costs`, each multiplied by its weight.
///
///     LowestCostPolicy<WeightedSum<InFlight, HeldKvTokens>> policy{{.weights = {1, 1.0 / 4096}}};
///
/// Unit: chosen by the caller, with weights that convert requests, tokens and seconds into one unit. Reads the load
/// metrics of all `Costs`, each stored once.
///
/// The scorers of llm-d combine in the same way, except that they normalise over the candidates. Here nothing is
/// normalised: the sum of a candidate depends only on its own costs.
/// Complexity: one pass over the candidates; all costs are evaluated for each.
template <class... Costs>
struct WeightedSum : detail::CombinedCosts<Costs...> {
  /// One weight for each of `Costs`, in order; finite and not below zero. A cost with weight 0 does not count, even if
  /// it is infinite.
  std::array<double, sizeof...(Costs)> weights = {};

  /// What is wrong with the weights or with the costs; none if nothing is wrong.
  [[nodiscard]] std::optional<ConfigError> check() const {
    for (const double weight : weights) {
      if (!(std::isfinite(weight) && weight >= 0))
        return ConfigError{ConfigError::Rule::weight_in_range, detail::number_text(weight)};
    }
    return detail::CombinedCosts<Costs...>::check();
  }
  /// The cost function of one choice, see `CostFunction`. It is valid as long as this object.
  template <class Compared, class Request, class Context>
  [[nodiscard]] constexpr auto prepare(const Compared& compared, const Request& request, Context& context) const {
    return this->prepare_all(compared, request, context, [this](const auto&... values) {
      return [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
        // A cost with weight 0 is left out, because 0 times infinity would not be a number.
        return ((weights[i] > 0 ? weights[i] * static_cast<double>(values) : 0) + ...);
      }(std::index_sequence_for<Costs...>{});
    });
  }
  /// For explanations: tells each of the costs without its weight, and then the sum.
  template <class Compared, class Request, class Context>
  [[nodiscard]] auto teller(const Compared& compared, const Request& request, Context& context) const {
    return [parts = detail::CombinedCosts<Costs...>::teller(compared, request, context),
            sum = prepare(compared, request, context)](const auto& candidate, const auto& visit) {
      parts(candidate, visit);
      visit("sum", sum(candidate));
    };
  }
};

}  // namespace v0
}  // namespace pdroute
