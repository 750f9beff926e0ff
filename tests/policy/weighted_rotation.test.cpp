// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/weighted_rotation.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <pdroute/random.hpp>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::longest_wait;
using pdroute::detail::spreading_stride;
using pdroute::detail::WeightedRotation;

struct Node {
  std::uint32_t share;
  [[nodiscard]] std::uint32_t weight() const { return share; }
};
using Nodes = std::vector<Node>;

/// The highest product of an arc's length and its longest wait, found by walking the circle.
std::uint64_t longest_wait_by_walking(std::uint64_t circle, std::uint64_t stride) {
  std::uint64_t longest = circle;
  for (std::uint64_t length = 1; length < circle; ++length) {
    std::uint64_t last = 0;
    for (std::uint64_t t = 1; t <= 2 * circle; ++t) {
      if (t * stride % circle >= length) continue;
      longest = std::max(longest, (t - last) * length);
      last = t;
    }
  }
  return longest;
}

WeightedRotation rotation(const Nodes& nodes, std::uint32_t start = 0) {
  WeightedRotation made{start};
  made.build(nodes, 1);
  return made;
}

/// The greatest common divisor of all weights.
std::uint32_t unit_of(const Nodes& nodes) {
  std::uint32_t unit = 0;
  for (const Node& node : nodes) unit = std::gcd(unit, node.share);
  return unit;
}

/// Lists of weights: equal, a few heavy ones among many light ones, with a common divisor, and extreme.
std::vector<Nodes> lists() {
  std::vector<Nodes> all{{{7}},           {{1}, {1}},      {{1}, {2}, {5}}, {{3}, {3}, {3}, {3}, {3}},
                         {{10'000}, {1}}, {{500}, {1500}}, {{1}, {0}, {2}}, {{1}, {10'000}, {1}, {1}, {1}, {1}}};
  pdroute::SplitMix64 random{3};
  for (std::uint32_t n = 1; n < 40; ++n) {
    Nodes list;
    for (std::uint32_t i = 0; i < n; ++i) list.push_back({1 + pdroute::below(random, i % 5 == 0 ? 200 : 4)});
    all.push_back(list);
  }
  return all;
}

}  // namespace

TEST_CASE("weighted rotation: the computed longest wait equals the one that a walk finds") {
  for (std::uint64_t circle = 2; circle < 60; ++circle) {
    for (std::uint64_t stride = 1; stride < circle; ++stride) {
      INFO(stride << " on " << circle);
      const bool everywhere = std::gcd(circle, stride) == 1;
      REQUIRE(longest_wait(circle, stride, UINT64_MAX) == (everywhere ? longest_wait_by_walking(circle, stride) : 0));
    }
  }
}

TEST_CASE("weighted rotation: every circle has a stride that visits all places and waits at most 3 times the mean") {
  const auto holds = [](std::uint64_t circle) {
    return longest_wait(circle, spreading_stride(circle), 3 * circle) != 0;
  };
  for (std::uint64_t circle = 2; circle < 20'000; ++circle) {
    INFO(circle);
    REQUIRE(holds(circle));
  }
  pdroute::SplitMix64 random{5};
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t circle = 20'000 + (random() >> (32 + static_cast<unsigned>(i) % 16));
    INFO(circle);
    REQUIRE(holds(circle));
  }
  CHECK(spreading_stride(1) == 1);
  // With the coprime stride next to the golden section, the longest wait is over 19 times the mean.
  CHECK(longest_wait(5040, 3113, UINT64_MAX) > 19 * 5040);
}

TEST_CASE("weighted rotation: in turns as many as the sum of weights, each gets exactly its weight, from any start") {
  for (const Nodes& nodes : lists()) {
    const std::uint32_t unit = unit_of(nodes);
    std::uint32_t sum = 0;
    for (const Node& node : nodes) sum += node.share / unit;
    WeightedRotation made = rotation(nodes);
    for (const std::uint32_t from : {0U, 1U, sum / 2 + 1, 4'000'000'000U}) {
      std::vector<std::uint32_t> count(nodes.size(), 0);
      for (std::uint32_t turn = from; turn < from + sum; ++turn) ++count.at(made.index(turn, 0, 0));
      for (std::size_t i = 0; i < nodes.size(); ++i) REQUIRE(count[i] == nodes[i].share / unit);
    }
  }
}

TEST_CASE("weighted rotation: no candidate waits longer than three times its mean for the next turn") {
  for (const Nodes& nodes : lists()) {
    WeightedRotation made = rotation(nodes);
    std::uint64_t sum = 0;
    for (const Node& node : nodes) sum += node.share;
    std::vector<std::uint64_t> last(nodes.size(), 0);
    std::vector<std::uint64_t> longest(nodes.size(), 0);
    for (std::uint32_t turn = 0; turn < 3 * sum; ++turn) {
      const std::size_t i = made.index(turn, 0, 0);
      if (last[i] != 0) longest[i] = std::max(longest[i], turn + 1 - last[i]);
      last[i] = turn + 1;
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) CHECK(longest[i] * nodes[i].share <= 3 * sum);
  }
}

TEST_CASE("weighted rotation: on the second leg each block of turns is exact and begins elsewhere") {
  const Nodes nodes{{1}, {2}, {5}};
  const std::uint64_t origin = GENERATE(std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{4'294'967'290});
  WeightedRotation made = rotation(nodes);
  std::vector<std::vector<std::size_t>> orders;
  for (std::uint32_t block = 0; block < 200; ++block) {
    std::vector<std::size_t> order;
    for (std::uint32_t k = 0; k < 8; ++k) order.push_back(made.index(origin + 8 * block + k, origin, 3));
    for (std::size_t i = 0; i < nodes.size(); ++i)
      REQUIRE(std::count(order.begin(), order.end(), i) == static_cast<std::ptrdiff_t>(nodes[i].share));
    orders.push_back(order);
  }
  std::sort(orders.begin(), orders.end());
  orders.erase(std::unique(orders.begin(), orders.end()), orders.end());
  CHECK(orders.size() == 8);  // every angle of a circle of 8 places
}

TEST_CASE("weighted rotation: starts at its share of the way round") {
  const Nodes nodes{{3}, {4}, {2}};
  CHECK(rotation(nodes, 0).index(0, 0, 0) == 0);
  CHECK(rotation(nodes, 0x80000000U).index(0, 0, 0) == 1);  // place 4 of 9
  CHECK(rotation(nodes, 0xffffffffU).index(0, 0, 0) == 2);
}

TEST_CASE("weighted rotation: equals one that remembers no turn, over jumps, turns before the origin, and 2^32") {
  const Nodes nodes{{3}, {4}, {2}, {1}};
  const auto seed = GENERATE(range(0U, 20U));
  pdroute::SplitMix64 random{seed};
  const auto pick = [&](std::uint32_t n) { return pdroute::below(random, n); };
  WeightedRotation made = rotation(nodes);
  std::uint64_t turn = seed % 2 == 0 ? 0 : 4'294'967'000;
  std::uint64_t origin = turn;
  for (int step = 0; step < 1000; ++step) {
    turn += pick(10) == 0 ? pick(40) : 1;
    if (pick(100) == 0) origin = turn + pick(3);
    const std::size_t first = pick(2);
    REQUIRE(made.index(turn, origin, first) == rotation(nodes).index(turn, origin, first));
  }
}

TEST_CASE("weighted rotation: an endpoint comes and goes at any rate, and the others keep their shares on average") {
  const std::uint64_t period = GENERATE(1U, 2U, 3U, 7U);
  const std::size_t first = GENERATE(0U, 1U, 3U);
  const Nodes all{{1}, {2}, {1}, {2}};
  const Nodes without{{1}, {2}, {1}};
  WeightedRotation made{0};
  std::vector<int> count(4, 0);
  std::uint64_t origin = 0;
  for (std::uint64_t turn = 0; turn < 30'000; ++turn) {
    if (turn % period == 0) {
      origin = turn;
      made.build(turn / period % 2 == 0 ? all : without, turn);
    }
    ++count[made.index(turn, origin, first)];
  }
  INFO(count[0] << ", " << count[1] << ", " << count[2]);
  CHECK(std::abs(count[0] - count[2]) < count[0] / 10);
  CHECK(std::abs(count[1] - 2 * count[0]) < count[1] / 10);
}

TEST_CASE("weighted rotation: the largest weights of many candidates do not overflow") {
  WeightedRotation made = rotation(Nodes(100'000, {9'999}), 12'345);
  CHECK(made.weight(99'999) == 9'999);
  Nodes nodes(100'000, {10'000});
  nodes[5].share = 9'999;
  WeightedRotation uneven = rotation(nodes, UINT32_MAX);
  for (std::uint32_t turn = UINT32_MAX - 10; turn != 10; ++turn) {
    CHECK(uneven.index(turn, 7, 0) < nodes.size());
    CHECK(uneven.index(turn, 7, 1) < nodes.size());
  }
}

TEST_CASE("weighted rotation: the owner of a place is found in less than one step on average") {
  const bool after_a_large_circle = GENERATE(false, true);
  for (const Nodes& nodes : lists()) {
    WeightedRotation made = rotation(nodes);
    if (after_a_large_circle) {
      made.build(Nodes{{9973}, {1}}, 0);
      made.build(nodes, 1);
    }
    std::uint64_t place = 0;
    std::uint64_t steps = 0;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (std::uint32_t k = 0; k < nodes[i].share / unit_of(nodes); ++k) {
        REQUIRE(made.owner(place) == i);
        steps += i - made.guide(place++);
      }
    }
    CHECK(steps < place);
  }
}

TEST_CASE("weighted rotation: keeps the weights, and fits only the candidates it was built for") {
  for (const Nodes& nodes : lists()) {
    WeightedRotation made = rotation(nodes);
    CHECK_FALSE(made.empty());
    CHECK(made.fits(nodes.size(), 1));
    CHECK_FALSE(made.fits(nodes.size(), 2));
    CHECK_FALSE(made.fits(nodes.size() + 1, 1));
    for (std::size_t i = 0; i < nodes.size(); ++i) CHECK(made.weight(i) == nodes[i].share);
  }
}

TEST_CASE("weighted rotation: no candidate with a weight, so it is empty") {
  CHECK(WeightedRotation{}.empty());
  CHECK(rotation({}).empty());
  CHECK(rotation({{0}, {0}}).empty());
  CHECK_FALSE(rotation({{0}, {1}}).empty());
}
