// SPDX-License-Identifier: Apache-2.0
// What combinations of costs have in common: the costs, the load that they read together, and one evaluation of all.
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
  /// `combine(values...)` for each candidate.
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
}  // namespace v0
}  // namespace pdroute
