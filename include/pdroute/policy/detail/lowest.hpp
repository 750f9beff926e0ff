// SPDX-License-Identifier: Apache-2.0
// Finds the candidate with the lowest cost, among all candidates or among a few random ones.
//
// The steps of a choice:
// 1. Start after the last choice (rotating ties; see `TurnState`), otherwise at 0.
// 2. Scan the candidates once, from the start to the end and then from 0 to the start, and evaluate the cost of each.
// 3. Keep the cheapest one. A candidate with an equal cost does not replace an earlier one.
// 4. Break ties again if the tie rule is random: draw among all candidates that cost no more than the cheapest one.
// 5. Remember the choice (rotating ties), so that the next one starts after it.
// With a few random choices, the candidates are drawn first. They are scanned in that order, and nothing is remembered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/cost/cost.hpp>
#include <pdroute/policy/tie_rule.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The index of the candidate with the lowest cost. The scan goes from `start` to the end and then from 0 to the
/// candidate before `start`; of equal ones, the first in this order wins. Precondition: `start` < size.
template <class Candidates, class Cost>
[[nodiscard, gnu::always_inline]] inline std::size_t lowest_from(std::size_t start, const Candidates& candidates,
                                                                 const Cost& cost) {
  std::size_t best = start;
  auto least = cost(candidates[start]);
  const auto look_at = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (auto c = cost(candidates[i]); cheaper(c, least)) {
        least = std::move(c);
        best = i;
      }
    }
  };
  look_at(start + 1, candidates.size());
  look_at(0, start);
  return best;
}

/// The index of the candidate with the lowest `cost(candidate)`, among all. Each candidate is evaluated once, and
/// random ties evaluate some of them again.
/// Always inlined: if g++ 12 returns the optional from a real call, reading it back stalls on a load.
template <TieRule tie, class Candidates, class Cost, class Context>
[[nodiscard, gnu::always_inline]] inline std::optional<std::size_t> lowest(const Candidates& candidates,
                                                                           const Cost& cost, Context& context) {
  const std::size_t n = candidates.size();
  if (n == 0) return std::nullopt;
  std::size_t start = 0;
  if constexpr (tie == TieRule::rotating) {
    start = context.state().next(candidates, context);
  }

  std::size_t best = lowest_from(start, candidates, cost);

  if constexpr (tie == TieRule::rotating) {
    context.state().chose(best, candidates, context);
  } else if constexpr (tie == TieRule::random) {
    // Costs may change between the two scans, so draw among the candidates that cost no more than the best one now.
    const auto least = cost(candidates[best]);
    std::uint32_t ties = 0;
    for (std::size_t i = best; i < n; ++i) {
      if (!cheaper(least, cost(candidates[i])) && context.below(++ties) == 0) best = i;
    }
  }
  return best;
}

/// The candidates that one choice compares, as a list of indices into all candidates.
template <class Candidates, std::size_t max_count>
struct Compared {
  const Candidates& candidates;
  std::array<std::uint32_t, max_count> places;
  std::uint32_t count = max_count;

  [[nodiscard]] std::size_t size() const noexcept { return count; }
  [[nodiscard]] decltype(auto) operator[](std::size_t i) const { return candidates[places[i]]; }
};

/// The index of the cheaper one of two distinct candidates drawn at random. `prepare(compared)` returns the cost
/// function. If both cost the same, the one drawn first wins.
template <class Candidates, class Prepare, class Context>
[[nodiscard, gnu::always_inline]] inline std::optional<std::size_t> lower_of_two(const Candidates& candidates,
                                                                                 const Prepare& prepare,
                                                                                 Context& context) {
  const auto n = static_cast<std::uint32_t>(candidates.size());
  if (n < 2) return n == 0 ? std::nullopt : std::optional<std::size_t>{0};
  const std::uint32_t first = context.below(n);
  std::uint32_t second = context.below(n - 1);
  second += second >= first ? 1 : 0;
  const Compared<Candidates, 2> both{candidates, {first, second}};
  const auto& cost = prepare(both);
  // The cheaper one cannot be predicted, so index arithmetic costs less than a branch that is often mispredicted.
  const auto other = static_cast<std::uint32_t>(cheaper(cost(candidates[second]), cost(candidates[first])));
  return first ^ ((first ^ second) & (0U - other));
}

/// The index of the cheapest one of `choices` distinct candidates drawn at random. If there are not more than that, all
/// are compared, in random order.
template <std::size_t choices, class Candidates, class Prepare, class Context>
[[nodiscard, gnu::always_inline]] inline std::optional<std::size_t> lowest_of_some(const Candidates& candidates,
                                                                                   const Prepare& prepare,
                                                                                   Context& context) {
  if constexpr (choices == 2) return lower_of_two(candidates, prepare, context);
  const auto n = static_cast<std::uint32_t>(candidates.size());
  if (n == 0) return std::nullopt;
  const std::uint32_t count = n < choices ? n : static_cast<std::uint32_t>(choices);
  Compared<Candidates, choices> some{candidates, {}, count};
  // Each draw is an index among the candidates that are left. Stepping over the drawn ones, in ascending order, turns
  // it into an index among all.
  std::array<std::uint32_t, choices> ascending{};
  for (std::uint32_t k = 0; k < count; ++k) {
    std::uint32_t index = context.below(n - k);
    std::uint32_t place = 0;
    for (; place < k && ascending[place] <= index; ++place) ++index;
    for (std::uint32_t i = k; i > place; --i) ascending[i] = ascending[i - 1];
    ascending[place] = index;
    some.places[k] = index;
  }
  return some.places[lowest_from(0, some, prepare(some))];
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
