// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/weighted_random.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <type_traits>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::WeightedRandomPolicy;

struct Node {
  std::uint32_t share;
  [[nodiscard]] std::uint32_t weight() const { return share; }
};
using Nodes = std::vector<Node>;

static_assert(pdroute::check_policy<WeightedRandomPolicy, Nodes>());
static_assert(std::is_empty_v<WeightedRandomPolicy>);
static_assert(std::is_same_v<WeightedRandomPolicy::Load, pdroute::Identity>);

/// The nodes chosen by a context with this seed.
std::vector<std::size_t> choices(const Nodes& nodes, int times, std::uint64_t seed = 1) {
  pdroute::LocalContext context{WeightedRandomPolicy{}, pdroute::ManualClock{}, seed};
  std::vector<std::size_t> chosen;
  for (int i = 0; i < times; ++i) {
    if (const auto index = WeightedRandomPolicy{}.select(nodes, pdroute::Request{}, context)) chosen.push_back(*index);
  }
  return chosen;
}

}  // namespace

TEST_CASE("weighted random: no endpoint, or none with a weight, gives none") {
  CHECK(choices({}, 3).empty());
  CHECK(choices({{0}, {0}}, 3).empty());
  CHECK(choices({{0}, {7}}, 3) == std::vector<std::size_t>{1, 1, 1});
}

TEST_CASE("weighted random: endpoints are chosen in proportion to their weights") {
  constexpr int times = 100'000;
  const auto weights = GENERATE(values<std::vector<std::uint32_t>>({{1, 1, 1, 1}, {1, 2, 5}, {1, 0, 10'000, 99}}));
  Nodes nodes;
  double sum = 0;
  for (const std::uint32_t weight : weights) {
    nodes.push_back({weight});
    sum += weight;
  }
  std::vector<int> count(nodes.size(), 0);
  for (const std::size_t chosen : choices(nodes, times)) ++count.at(chosen);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const double share = weights[i] / sum;
    INFO("weight " << weights[i] << " of " << sum << " got " << count[i]);
    CHECK(std::abs(count[i] - times * share) <= 5 * std::sqrt(times * share * (1 - share)));
  }
}

TEST_CASE("weighted random: the next choice after a change follows the new weight") {
  pdroute::LocalContext context{WeightedRandomPolicy{}, pdroute::ManualClock{}, 1};
  Nodes nodes{{1}, {0}};
  CHECK(WeightedRandomPolicy{}.select(nodes, pdroute::Request{}, context) == 0U);
  nodes = {{0}, {1}};
  CHECK(WeightedRandomPolicy{}.select(nodes, pdroute::Request{}, context) == 1U);
}

TEST_CASE("weighted random: the same seed gives the same choices, another seed gives others") {
  const Nodes nodes{{1}, {2}, {3}, {4}};
  CHECK(choices(nodes, 50, 1) == choices(nodes, 50, 1));
  CHECK(choices(nodes, 50, 1) != choices(nodes, 50, 2));
}
