// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/lowest.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/detail/turn_state.hpp>
#include <pdroute/policy/local_context.hpp>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::TieRule;

struct WithTieState {
  [[nodiscard]] static pdroute::detail::TurnState make_state(std::uint64_t /*stream*/) { return {}; }
};

/// Chooses repeatedly over the same costs.
template <TieRule tie>
std::vector<std::size_t> choices(const std::vector<int>& costs, int times, std::uint64_t seed = 0) {
  pdroute::LocalContext context{WithTieState{}, pdroute::ManualClock{}, seed};
  std::vector<std::size_t> chosen;
  for (int i = 0; i < times; ++i) {
    if (const auto index = pdroute::detail::lowest<tie>(costs, [](int cost) { return cost; }, context)) {
      chosen.push_back(*index);
    }
  }
  return chosen;
}

}  // namespace

TEST_CASE("lowest: no candidate gives none") {
  CHECK(choices<TieRule::rotating>({}, 1).empty());
  CHECK(choices<TieRule::random>({}, 1).empty());
  CHECK(choices<TieRule::first>({}, 1).empty());
}

TEST_CASE("lowest: the lowest cost wins at any position, with any tie rule") {
  const std::size_t place = GENERATE(0U, 1U, 2U, 3U);
  std::vector<int> costs{5, 6, 7, 8};
  costs[place] = -1;
  CHECK(choices<TieRule::rotating>(costs, 3) == std::vector<std::size_t>(3, place));
  CHECK(choices<TieRule::random>(costs, 3) == std::vector<std::size_t>(3, place));
  CHECK(choices<TieRule::first>(costs, 3) == std::vector<std::size_t>(3, place));
}

TEST_CASE("lowest: rotating ties take turns in registration order, A, B, C, A") {
  CHECK(choices<TieRule::rotating>({4, 4, 4}, 4) == std::vector<std::size_t>{0, 1, 2, 0});
  CHECK(choices<TieRule::rotating>({4, 9, 4, 4}, 5) == std::vector<std::size_t>{0, 2, 3, 0, 2});
}

TEST_CASE("lowest: first ties always take the first") {
  CHECK(choices<TieRule::first>({9, 4, 4}, 3) == std::vector<std::size_t>{1, 1, 1});
}

TEST_CASE("lowest: random ties are uniform among equal candidates, and repeat with the seed") {
  const std::vector<int> costs{4, 9, 4, 4, 9};
  std::map<std::size_t, int> count;
  for (const std::size_t chosen : choices<TieRule::random>(costs, 30000, 1)) ++count[chosen];
  CHECK(count.size() == 3);
  for (const auto& [index, times] : count) {
    INFO("index " << index << " chosen " << times << " times of 30000, expected 10000; 5 sigma is 408");
    CHECK(std::abs(times - 10000) < 408);
  }
  CHECK(choices<TieRule::random>(costs, 50, 1) == choices<TieRule::random>(costs, 50, 1));
}
