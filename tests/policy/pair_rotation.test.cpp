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

/// The index that `PairRotation` gives for an origin of 0, computed by the formula without any state.
std::size_t formula(std::uint64_t turn, std::uint64_t first, std::uint64_t n) {
  return (turn + (first == 0 ? 0 : turn / std::lcm(first, n))) % n;
}

/// 2^32 turns: as many as one half of the counter's word can tell apart.
constexpr std::uint64_t wrap = std::uint64_t{1} << 32U;

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
  const std::uint64_t origin = GENERATE(std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{5}, wrap - 6, wrap);
  PairRotation rotation;
  std::vector<int> count(n, 0);
  for (std::uint64_t k = 0; k < 200; ++k) {
    ++count[rotation.index(origin + k, origin, first, n)];
    const auto [least, most] = std::minmax_element(count.begin(), count.end());
    REQUIRE(*most - *least <= 1);
  }
}

TEST_CASE("pair rotation: equals the formula over jumps, changes of size, turns before the origin, and 2^32") {
  const auto seed = GENERATE(range(0U, 50U));
  pdroute::SplitMix64 random{seed};
  const auto pick = [&](std::uint32_t n) { return pdroute::below(random, n); };
  PairRotation rotation;
  std::uint64_t turn = seed % 2 == 0 ? 0 : wrap - 296;
  std::uint64_t origin = turn;
  std::size_t first = pick(5);
  std::size_t n = 1 + pick(6);
  for (int step = 0; step < 3000; ++step) {
    turn += pick(10) == 0 ? pick(40) : 1;
    if (pick(100) == 0) n = 1 + pick(6);
    if (pick(100) == 0) first = pick(5);
    if (pick(100) == 0) origin = turn + pick(3);
    INFO("seed " << seed << " step " << step << " turn " << turn << " origin " << origin << " first " << first << " n "
                 << n);
    const std::size_t index = rotation.index(turn, origin, first, n);
    REQUIRE(index == PairRotation{}.index(turn, origin, first, n));  // one that remembers nothing
    if (origin == 0) REQUIRE(index == formula(turn, first, n));
  }
}

TEST_CASE("pair rotation: starts at its share of the way round") {
  for (std::size_t n = 1; n < 10; ++n) {
    CHECK(PairRotation{0}.index(0, 0, 0, n) == 0);
    CHECK(PairRotation{0x80000000U}.index(0, 0, 0, n) == n / 2);
    CHECK(PairRotation{0xffffffffU}.index(0, 0, 0, n) == n - 1);
  }
}

TEST_CASE("pair rotation: an endpoint comes and goes at any rate, and the others share the turns on average") {
  const std::size_t n = GENERATE(3U, 4U, 8U);
  const std::uint64_t period = GENERATE(1U, 2U, 3U, 7U);
  const std::size_t first = GENERATE(0U, 1U, 3U);
  PairRotation rotation;
  std::vector<int> count(n, 0);
  std::uint64_t origin = 0;
  for (std::uint64_t turn = 0; turn < 30'000; ++turn) {
    if (turn % period == 0) origin = turn;
    ++count[rotation.index(turn, origin, first, turn / period % 2 == 0 ? n : n - 1)];
  }
  const auto [least, most] =
      std::minmax_element(count.begin(), count.end() - 1);  // without the one that comes and goes
  INFO("from " << *least << " to " << *most);
  CHECK(*most < 1.15 * *least);
}
