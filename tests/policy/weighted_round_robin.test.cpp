// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/weighted_round_robin.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::WeightedRoundRobinPolicy;

/// An element of the caller's own list.
struct Node {
  std::uint32_t share;
  [[nodiscard]] std::uint32_t weight() const { return share; }
};
using Nodes = std::vector<Node>;
using Indices = std::vector<std::size_t>;

static_assert(pdroute::check_policy<WeightedRoundRobinPolicy, Nodes>());

Indices choices(const WeightedRoundRobinPolicy& policy, const Nodes& nodes, int times) {
  pdroute::LocalContext context{policy};
  Indices chosen;
  for (int i = 0; i < times; ++i) {
    if (const auto index = policy.select(nodes, pdroute::Request{}, context)) chosen.push_back(*index);
  }
  return chosen;
}

/// A context with facts that a test sets.
struct Facts {
  [[nodiscard]] static int now() { return 0; }
  [[nodiscard]] static std::uint32_t below(std::uint32_t /*bound*/) { return 0; }
  pdroute::detail::WeightedRotation& state() { return rotation; }
  [[nodiscard]] std::uint64_t turn() { return next_turn++; }
  [[nodiscard]] static std::uint64_t origin() { return 0; }
  [[nodiscard]] static std::size_t first_size() { return 0; }
  [[nodiscard]] std::uint64_t generation() const { return seen; }
  [[nodiscard]] bool narrowed() const { return some_left; }

  pdroute::detail::WeightedRotation rotation{0};
  std::uint64_t next_turn = 0;
  std::uint64_t seen = 0;
  bool some_left = false;
};

}  // namespace

TEST_CASE("weighted round robin: no candidate with a weight gives none, a single one is always chosen") {
  CHECK(choices({}, {}, 2).empty());
  CHECK(choices({}, {{7}}, 3) == Indices{0, 0, 0});
  CHECK(choices({}, {{0}, {0}}, 2).empty());
}

TEST_CASE("weighted round robin: equal weights take one turn each, neighbours far apart") {
  CHECK(choices({}, Nodes(5, {3}), 10) == Indices{0, 3, 1, 4, 2, 0, 3, 1, 4, 2});
}

TEST_CASE("weighted round robin: weights 1, 2 and 5 get so many of each 8 turns, spread out") {
  CHECK(choices({}, {{1}, {2}, {5}}, 16) == Indices{0, 2, 1, 2, 2, 1, 2, 2, 0, 2, 1, 2, 2, 1, 2, 2});
}

TEST_CASE("weighted round robin: gateways with seeds of their own start elsewhere") {
  std::map<std::size_t, int> first;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const WeightedRoundRobinPolicy policy;
    pdroute::LocalContext context{policy, std::chrono::steady_clock{}, seed};
    ++first[*policy.select(Nodes{{1}, {2}, {5}}, pdroute::Request{}, context)];
  }
  CHECK(std::abs(first[0] - 5) <= 2);
  CHECK(std::abs(first[1] - 10) <= 2);
  CHECK(std::abs(first[2] - 25) <= 2);
}

TEST_CASE("weighted round robin: an endpoint leaves between two calls, the rest share the turns by weight") {
  const WeightedRoundRobinPolicy policy;
  pdroute::LocalContext context{policy};
  Nodes nodes{{1}, {1}, {2}};
  std::map<std::size_t, int> count;
  for (int i = 0; i < 4; ++i) ++count[*policy.select(nodes, pdroute::Request{}, context)];
  CHECK(count == std::map<std::size_t, int>{{0, 1}, {1, 1}, {2, 2}});
  nodes.pop_back();
  count.clear();
  for (int i = 0; i < 4; ++i) ++count[*policy.select(nodes, pdroute::Request{}, context)];
  CHECK(count == std::map<std::size_t, int>{{0, 2}, {1, 2}});
}

TEST_CASE("weighted round robin: a new generation of as many candidates rebuilds the table") {
  const WeightedRoundRobinPolicy policy;
  Facts facts;
  // The second candidate has weight 0, so its turn never comes. Only a new generation tells that this has changed.
  CHECK(policy.select(Nodes{{1}, {0}}, pdroute::Request{}, facts) == 0U);
  ++facts.seen;
  std::map<std::size_t, int> count;
  for (int i = 0; i < 4; ++i) ++count[*policy.select(Nodes{{1}, {3}}, pdroute::Request{}, facts)];
  CHECK(count == std::map<std::size_t, int>{{0, 1}, {1, 3}});
}

TEST_CASE("weighted round robin: a weight changes without a new generation and counts when its turn comes") {
  const WeightedRoundRobinPolicy policy;
  Facts facts;
  CHECK(policy.select(Nodes{{1}, {3}}, pdroute::Request{}, facts));
  const Nodes changed{{4}, {4}};
  std::map<std::size_t, int> count;
  for (int i = 0; i < 8; ++i) ++count[*policy.select(changed, pdroute::Request{}, facts)];
  CHECK(count == std::map<std::size_t, int>{{0, 4}, {1, 4}});
  CHECK_FALSE(policy.select(Nodes{{0}, {0}}, pdroute::Request{}, facts));
}

TEST_CASE("weighted round robin: over some of the eligible it draws at random and uses up no turn") {
  const WeightedRoundRobinPolicy policy;
  Facts facts;
  facts.some_left = true;
  CHECK(policy.select(Nodes{{0}, {5}}, pdroute::Request{}, facts) == 1U);
  CHECK(facts.next_turn == 0);
}
