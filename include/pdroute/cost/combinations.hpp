// SPDX-License-Identifier: Apache-2.0
// Several costs as one: by the first and then by the next, or as a weighted sum.
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

/// A cost: the first of `Costs`; where two candidates are equal in it, the second, and so on.
///
///     using FewestTokensThenRequests = pdroute::LowestCostPolicy<pdroute::Lexicographic<QueuedTokens, InFlight>>;
///
/// Use it for costs that are often equal, such as counts; a fine-grained one leaves nothing to those behind it. Each
/// candidate is looked at once; all costs are evaluated.
template <class... Costs>
struct Lexicographic : detail::CombinedCosts<Costs...> {
  template <class Compared, class Request, class Context>
  [[nodiscard]] constexpr auto prepare(const Compared& compared, const Request& request, Context& context) const {
    return this->prepare_all(compared, request, context,
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
  template <class Compared, class Request, class Context>
  [[nodiscard]] constexpr auto prepare(const Compared& compared, const Request& request, Context& context) const {
    return this->prepare_all(compared, request, context, [this](const auto&... values) {
      return [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
        // Weighed by nothing, not even what is infinite counts.
        return ((weights[i] > 0 ? weights[i] * static_cast<double>(values) : 0) + ...);
      }(std::index_sequence_for<Costs...>{});
    });
  }
  /// For explanations: tells each of the costs as it is, without its weight, and then the sum.
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
