// SPDX-License-Identifier: Apache-2.0
// CombinedCosts: the common base of combinations of costs.
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/cost/cost.hpp>
#include <pdroute/cost/detail/tell_cost.hpp>
#include <pdroute/load/detail/load_of.hpp>
#include <tuple>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The common base of combinations of costs: the costs, the load metrics that they read together, and their checks.
template <class... Costs>
struct CombinedCosts {
  static_assert(sizeof...(Costs) > 0, "pdroute: a combination of costs needs at least one cost");

  std::tuple<Costs...> costs = {};  ///< the costs that are combined

  using Load = JoinedLoads<LoadOf<Costs>...>;  ///< the load metrics of all costs, each once
  /// The options of the load metrics. If two costs read the same metric, the first one gives its options.
  [[nodiscard]] constexpr typename Load::Options load_options() const {
    return std::apply([](const auto&... each) { return detail::joined_options<Load>(each...); }, costs);
  }
  /// What is wrong with the costs; none if nothing is wrong.
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
  template <class Compared, class Request, class Context>
  [[nodiscard]] auto teller(const Compared& compared, const Request& request, Context& context) const {
    return std::apply(
        [&](const auto&... each) {
          return [tellers = std::tuple{detail::teller(each, compared, request, context)...}](const auto& candidate,
                                                                                             const auto& visit) {
            std::apply([&](const auto&... tell) { (tell(candidate, visit), ...); }, tellers);
          };
        },
        costs);
  }

 protected:
  /// The function that returns `combine(values...)` for a candidate, with the value of each cost.
  template <class Compared, class Request, class Context, class Combine>
  [[nodiscard]] constexpr auto prepare_all(const Compared& compared, const Request& request, Context& context,
                                           Combine combine) const {
    return std::apply(
        [&](const auto&... each) {
          return [combine, evaluations = std::tuple{detail::prepared(each, compared, request, context)...}](
                     const auto& candidate) {
            return std::apply([&](const auto&... evaluate) { return combine(evaluate(candidate)...); }, evaluations);
          };
        },
        costs);
  }
};

/// `value`, or infinity if it is not a number (NaN), so that it goes last also within a combination.
template <class Value>
[[nodiscard]] constexpr Value last_unless_number(const Value& value) {
  if constexpr (std::floating_point<Value>) {
    return value == value ? value : std::numeric_limits<Value>::infinity();
  } else {
    return value;
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
