// SPDX-License-Identifier: Apache-2.0
// CostFunction: the concept for a cost, the value by which a policy compares candidates. Smaller is better.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

namespace detail {

/// A candidate as a cost is given it: by const reference, also where the list returns it by value.
template <class Candidates>
using CandidateOf = const std::remove_reference_t<decltype(std::declval<const Candidates&>()[0])>&;

/// A cost with a member `prepare` that returns a function of a candidate.
template <class C, class Candidates, class Request, class Context>
concept PreparedCost = requires(const C& cost, const Candidates& candidates, const Request& request, Context& context) {
  { cost.prepare(candidates, request, context)(candidates[0]) } -> std::totally_ordered;
};

/// The function that is evaluated for each candidate of one choice. It takes the candidate alone. It is valid as long
/// as `cost`, `compared`, `request` and `context`.
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

/// Whether a candidate with cost `a` goes before one with cost `b`. A floating-point cost that is not a number (NaN)
/// goes last, because it comes from an error in its computation and must not win.
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
/// - `cost.prepare(compared, request, context)`, called once per choice, which returns a function of the candidate. Use
///   it to compute once what is the same for all candidates, such as the time. `compared` are the candidates that this
///   choice compares, with `size()` and `[i]`; they are valid as long as the function.
///
/// Requirements. The value is of a type ordered by `<`; smaller is better. A floating-point value that is not a number
/// (NaN) goes last. A cost does not change the candidate and does not throw. It is called as const, by many threads at
/// once. A lambda without captures is enough:
///
///     using Cheapest = pdroute::LowestCostPolicy<decltype([](const auto& c) { return c.endpoint().price; })>;
///
/// Optional members:
/// - `using Load = ...` and `load_options() const`: the load metric that the cost reads, see `NoLoad`.
/// - `std::optional<ConfigError> check() const`: what is wrong with the cost's parameters; none if nothing is wrong.
/// - `static constexpr std::string_view name`: its name in explanations; "cost" without one.
template <class C, class Candidates, class Request, class Context>
concept CostFunction = detail::PreparedCost<C, Candidates, Request, Context> ||
                       requires(const C& cost, detail::CandidateOf<Candidates> candidate, const Request& request) {
                         { cost(candidate, request) } -> std::totally_ordered;
                       } || requires(const C& cost, detail::CandidateOf<Candidates> candidate) {
                         { cost(candidate) } -> std::totally_ordered;
                       };

}  // namespace v0
}  // namespace pdroute
