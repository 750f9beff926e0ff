// SPDX-License-Identifier: Apache-2.0
// Explains a choice by the lowest cost: what each compared candidate costs, and how many share the lowest cost.
#pragma once

#include <cstddef>
#include <pdroute/cost/cost.hpp>
#include <pdroute/cost/detail/tell_cost.hpp>
#include <pdroute/policy/tie_rule.hpp>
#include <string>
#include <string_view>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The number of candidates that have the lowest cost. Precondition: `compared` is not empty.
template <class Compared, class Evaluate>
[[nodiscard]] std::size_t count_of_lowest(const Compared& compared, const Evaluate& evaluate) {
  auto least = evaluate(compared[0]);
  std::size_t equal = 1;
  for (std::size_t i = 1; i < compared.size(); ++i) {
    if (auto value = evaluate(compared[i]); cheaper(value, least)) {
      least = value;
      equal = 1;
    } else if (!cheaper(least, value)) {
      ++equal;
    }
  }
  return equal;
}

/// The reason as text: "lowest cost of 4", or "lowest cost of 4, shared by 2: its turn". `how_found` is inserted after
/// the count.
[[nodiscard]] inline std::string lowest_of(std::size_t count, std::size_t equal, std::string_view tie,
                                           std::string_view how_found = "") {
  std::string text = "lowest cost of " + std::to_string(count);
  text.append(how_found);
  if (equal > 1) text.append(", shared by ").append(std::to_string(equal)).append(": ").append(tie);
  return text;
}

/// How a tie is resolved, as text.
template <TieRule tie, class Candidates, class Context>
[[nodiscard]] std::string_view tie_text(const Candidates& candidates, Context& context) {
  if constexpr (tie == TieRule::rotating)
    return context.state().at_random(candidates, context) ? "from a random one on, the first" : "its turn";
  return tie == TieRule::random ? "drawn at random" : "the first";
}

/// Gives the costs of the compared candidates to the trace. `tell(candidate, visit)` calls `visit` for each cost of a
/// candidate. `place(i)` is the index of the i-th compared candidate in the list of the choice.
template <class Compared, class Tell, class Place, class Trace>
void tell_costs(const Compared& compared, const Tell& tell, const Place& place, Trace& trace) {
  for (std::size_t i = 0; i < compared.size(); ++i) {
    tell(compared[i], [&](std::string_view name, double value) { trace.cost(place(i), name, value); });
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
