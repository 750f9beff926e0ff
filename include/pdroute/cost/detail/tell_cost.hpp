// SPDX-License-Identifier: Apache-2.0
// Tells costs as numbers with names, for explanations.
#pragma once

#include <chrono>
#include <cstddef>
#include <pdroute/cost/cost.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The cost's `name`, or `otherwise` if it has none.
template <class Cost>
[[nodiscard]] constexpr std::string_view cost_name(std::string_view otherwise = "cost") {
  if constexpr (requires { std::string_view{Cost::name}; }) {
    return Cost::name;
  } else {
    return otherwise;
  }
}

/// Calls `visit(name, number)` for a value. A duration is told in seconds. A tuple is told part by part ("cost.0",
/// "cost.1"). A value that does not convert to a number is not told.
template <class Value, class Visit>
void tell_value(std::string_view name, const Value& value, const Visit& visit) {
  if constexpr (requires { static_cast<double>(value); }) {
    visit(name, static_cast<double>(value));
  } else if constexpr (requires { std::chrono::duration<double>(value); }) {
    visit(name, std::chrono::duration<double>(value).count());
  } else if constexpr (requires { std::tuple_size<Value>::value; }) {
    [&]<std::size_t... i>(std::index_sequence<i...> /*places*/) {
      (detail::tell_value(std::string(name).append(".").append(std::to_string(i)), std::get<i>(value), visit), ...);
    }(std::make_index_sequence<std::tuple_size_v<Value>>{});
  }
}

/// The function `tell(candidate, visit)` that tells the costs of a candidate of one choice. See `prepared` for the
/// arguments.
template <class Cost, class Compared, class Request, class Context>
[[nodiscard]] auto teller(const Cost& cost, const Compared& compared, const Request& request, Context& context) {
  if constexpr (requires { cost.teller(compared, request, context); }) {
    return cost.teller(compared, request, context);
  } else {
    return [evaluate = detail::prepared(cost, compared, request, context)](const auto& candidate, const auto& visit) {
      detail::tell_value(cost_name<Cost>(), evaluate(candidate), visit);
    };
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
