// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/pair_rotation.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <pdroute/random.hpp>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::PairRotation;

/// The index that `PairRotation` gives, computed by the formula without any state.
std::size_t formula(std::uint32_t turn, std::uint32_t origin, std::uint64_t first, std::uint64_t n) {
  const std::uint32_t since = turn - origin;
  return (turn + (first == 0 ? 0 : since / std::lcm(first, n))) % n;
}

}  // namespace

TEST_CASE("pair rotation: two legs use all pairs, with counts within 1 of each other over a whole cycle") {
  const auto [first, second] =
      GENERATE(table<std::size_t, std::size_t>({{2, 2}, {8, 8}, {2, 64}, {3, 5}, {64, 2}, {4, 6}, {1, 7}}));
  PairRotation prefill;
  PairRotation decode;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> pairs;
  const std::size_t cycle = first * second;
  for (std::uint32_t turn = 0; turn < 3 * cycle; ++turn) {
    ++pairs[{prefill.index(turn, 0, 0, first), decode.index(turn, 0, first, second)}];
    if ((turn + 1) % cycle != 0) continue;
    INFO(first << " x " << second << " after " << turn + 1 << " turns");
    REQUIRE(pairs.size() == first * second);
    const auto [least, most] = std::minmax_element(pairs.begin(), pairs.end(),
                                                   [](const auto& a, const auto& b) { return a.second < b.second; });
    REQUIRE(most->second - least->second <= 1);
  }
}

TEST_CASE("pair rotation: the counts of two indices differ by at most 1 at every turn since the origin") {
  const auto [first, n] = GENERATE(table<std::size_t, std::size_t>({{0, 3}, {2, 2}, {3, 3}, {4, 6}, {5, 3}, {1, 4}}));
  const std::uint32_t origin = GENERATE(0U, 1U, 2U, 5U, 4294967290U);
  PairRotation rotation;
  std::vector<int> count(n, 0);
  for (std::uint32_t k = 0; k < 200 && origin + k >= origin; ++k) {
    ++count[rotation.index(origin + k, origin, first, n)];
    const auto [least, most] = std::minmax_element(count.begin(), count.end());
    REQUIRE(*most - *least <= 1);
  }
}

TEST_CASE("pair rotation: equals the formula over jumps, changes of size, turns before the origin, and wrapping") {
  const auto seed = GENERATE(range(0U, 50U));
  pdroute::SplitMix64 random{seed};
  const auto pick = [&](std::uint32_t n) { return pdroute::below(random, n); };
  PairRotation rotation;
  std::uint32_t turn = seed % 2 == 0 ? 0 : 4294967000U;
  std::uint32_t origin = turn;
  std::size_t first = pick(5);
  std::size_t n = 1 + pick(6);
  for (int step = 0; step < 3000; ++step) {
    turn += pick(10) == 0 ? pick(40) : 1;
    if (pick(100) == 0) n = 1 + pick(6);
    if (pick(100) == 0) first = pick(5);
    if (pick(100) == 0) origin = turn + pick(3);
    INFO("seed " << seed << " step " << step << " turn " << turn << " origin " << origin << " first " << first << " n "
                 << n);
    REQUIRE(rotation.index(turn, origin, first, n) == formula(turn, origin, first, n));
  }
}
