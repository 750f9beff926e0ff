// SPDX-License-Identifier: Apache-2.0
// The candidate with the lowest cost: of all, ties by rule, or of a few.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <pdroute/cost/cost.hpp>
#include <pdroute/policy/tie_rule.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Where a dispatcher begins to look, so that equal candidates take turns in registration order. On a second leg the
/// start moves on by one more whenever both legs have come round together: two legs over equal endpoints would else go
/// in lockstep and use 2 of 4 pairs of 2 x 2 (see `PairRotation`).
class TieState {
 public:
  /// Precondition: n > 0. `first` is 0 for a leg that does not follow another.
  [[nodiscard]] std::size_t start(std::size_t first, std::size_t n) noexcept {
    if (first != first_ || n != n_) {
      first_ = first;
      n_ = n;
      block_ =
          first == 0 ? std::numeric_limits<std::uint64_t>::max() : std::lcm<std::uint64_t, std::uint64_t>(first, n);
      left_ = block_;
    } else if (left_ == 0) {
      left_ = block_;
      ++next_;
    }
    --left_;
    return next_ < n ? next_ : next_ % n;
  }
  void chose(std::size_t index) noexcept { next_ = index + 1; }

  [[nodiscard]] TieState cursor() const noexcept { return *this; }
  void go_back(const TieState& cursor) noexcept { *this = cursor; }

 private:
  std::size_t next_ = 0;
  std::size_t first_ = 0;
  std::size_t n_ = 0;
  std::uint64_t block_ = 0;
  std::uint64_t left_ = 0;  // choices until the start moves on
};

/// The index with the lowest cost; of equal ones, the first from `start` on, round to the one before it.
/// Precondition: `start` < size.
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

/// The index with the lowest `cost(candidate)`; each candidate is looked at once (twice for random ties).
/// Inlined by force: an optional that g++ 12 returns from a call is read back by a stalled load.
template <TieRule tie, class Candidates, class Cost, class Context>
[[nodiscard, gnu::always_inline]] inline std::optional<std::size_t> lowest(const Candidates& candidates,
                                                                           const Cost& cost, Context& context) {
  const std::size_t n = candidates.size();
  if (n == 0) return std::nullopt;
  std::size_t start = 0;
  if constexpr (tie == TieRule::rotating) {
    // Among some of the candidates, whose turn it is would favour the same ones again and again.
    start = context.narrowed() ? context.below(static_cast<std::uint32_t>(n))
                               : context.state().start(context.first_size(), n);
  }

  std::size_t best = lowest_from(start, candidates, cost);

  if constexpr (tie == TieRule::rotating) {
    if (!context.narrowed()) context.state().chose(best);
  } else if constexpr (tie == TieRule::random) {
    // Costs may change between two choices, so draw among those that are still at most the least.
    const auto least = cost(candidates[best]);
    std::uint32_t ties = 0;
    for (std::size_t i = best; i < n; ++i) {
      if (!cheaper(least, cost(candidates[i])) && context.below(++ties) == 0) best = i;
    }
  }
  return best;
}

/// The candidates that one choice choices at, by their places.
template <class Candidates, std::size_t max_count>
struct Compared {
  const Candidates& candidates;
  std::array<std::uint32_t, max_count> places;
  std::uint32_t count = max_count;

  [[nodiscard]] std::size_t size() const noexcept { return count; }
  [[nodiscard]] decltype(auto) operator[](std::size_t i) const { return candidates[places[i]]; }
};

/// The index with the lower cost of two distinct ones drawn at random. `prepare(compared)` gives the cost function.
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
  // Which of two is the lower cannot be predicted: an index by arithmetic costs less than a branch that is often wrong.
  const auto other = static_cast<std::uint32_t>(cheaper(cost(candidates[second]), cost(candidates[first])));
  return first ^ ((first ^ second) & (0U - other));
}

/// The index with the lowest cost among `choices` distinct ones drawn at random; all of them, if there are no more.
template <std::size_t choices, class Candidates, class Prepare, class Context>
[[nodiscard, gnu::always_inline]] inline std::optional<std::size_t> lowest_of_some(const Candidates& candidates,
                                                                                   const Prepare& prepare,
                                                                                   Context& context) {
  if constexpr (choices == 2) return lower_of_two(candidates, prepare, context);
  const auto n = static_cast<std::uint32_t>(candidates.size());
  if (n == 0) return std::nullopt;
  const std::uint32_t count = n < choices ? n : static_cast<std::uint32_t>(choices);
  Compared<Candidates, choices> some{candidates, {}, count};
  // Each draw is among those that are left, and steps over the drawn ones in ascending order.
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
