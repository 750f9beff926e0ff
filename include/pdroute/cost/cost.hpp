// SPDX-License-Identifier: Apache-2.0
// What a cost is: the number by which a policy compares candidates, the lowest first.
#pragma once

#include <concepts>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// A cost with a member `prepare`, whose result is then called with each candidate.
template <class C, class Candidates, class Request, class Context>
concept PreparedCost = requires(const C& cost, const Candidates& candidates, const Request& request, Context& context) {
  { cost.prepare(candidates, request, context)(candidates[0]) } -> std::totally_ordered;
};

/// What is evaluated for each candidate of one choice: a function of the candidate alone.
template <class Cost, class Compared, class Request, class Context>
[[nodiscard]] constexpr auto prepared(const Cost& cost, const Compared& compared, const Request& request,
                                      Context& context) {
  if constexpr (requires { cost.prepare(compared, request, context); }) {
    return cost.prepare(compared, request, context);
  } else {
    return [&cost, &request](const auto& candidate) {
      if constexpr (requires { cost(candidate, request); }) {
        return cost(candidate, request);
      } else {
        return cost(candidate);
      }
    };
  }
}

/// Whether a candidate that costs `a` goes before one that costs `b`. A floating-point cost that is not a number goes
/// last: it is a mistake of whoever computed it, and must not win.
template <class Value>
[[nodiscard]] constexpr bool cheaper(const Value& a, const Value& b) {
  if constexpr (std::floating_point<Value>) {
    return a < b || (b != b && a == a);
  } else {
    return a < b;
  }
}

}  // namespace detail

/// A cost function over candidates: the `Cost` of a `LowestCostPolicy`. It is one of
/// - `cost(candidate)`;
/// - `cost(candidate, request)`;
/// - `cost.prepare(compared, request, context)`, called once per choice, which returns a function of the candidate:
///   for what is the same for all of them, such as the time. `compared` are the candidates that this choice compares,
///   with `size()` and `[i]`, valid as long as the function.
///
/// Its value is anything ordered by `<`; what is not a number comes last. A cost must not change the candidate, and
/// must not throw. Lambdas without captures will do:
///
///     using Cheapest = pdroute::LowestCostPolicy<decltype([](const auto& c) { return c.endpoint().price; })>;
///
/// Optional members, as of a policy: `Load` and `load_options() const`, the load metric that it reads; `check() const`.
/// And `static constexpr std::string_view name`: what an explanation calls it, "cost" without one.
template <class C, class Candidates, class Request, class Context>
concept CostFunction = detail::PreparedCost<C, Candidates, Request, Context> ||
                       requires(const C& cost, const Candidates& candidates, const Request& request) {
                         { cost(candidates[0], request) } -> std::totally_ordered;
                       } || requires(const C& cost, const Candidates& candidates) {
                         { cost(candidates[0]) } -> std::totally_ordered;
                       };

}  // namespace v0
}  // namespace pdroute
