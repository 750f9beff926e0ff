// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/weighted_choice.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>
#include <pdroute/load/identity.hpp>
#include <pdroute/random.hpp>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

struct Node {
  std::uint32_t share;
  [[nodiscard]] std::uint32_t weight() const { return share; }
};
struct Signed {
  [[nodiscard]] int weight() const { return 1; }
};
struct Fraction {
  [[nodiscard]] double weight() const { return 0.5; }
};

static_assert(pdroute::WeightedCandidates<std::vector<Node>>);
static_assert(!pdroute::WeightedCandidates<std::vector<Signed>>);  // might be negative
static_assert(!pdroute::WeightedCandidates<std::vector<Fraction>>);
static_assert(!pdroute::WeightedCandidates<std::vector<int>>);
static_assert(pdroute::IdentifiedCandidates<std::vector<pdroute::Identity>>);
static_assert(!pdroute::IdentifiedCandidates<std::vector<Node>>);

struct Draws {
  std::uint32_t below(std::uint32_t bound) { return pdroute::below(generator, bound); }
  pdroute::SplitMix64 generator{7};
};

}  // namespace

TEST_CASE("weighted draw: candidates are drawn in proportion to their weights, weight zero never") {
  constexpr int times = 100'000;
  const std::vector<Node> nodes{{1}, {0}, {2}, {5}, {0}};
  std::vector<int> count(nodes.size(), 0);
  Draws draws;
  for (int i = 0; i < times; ++i) ++count.at(*pdroute::detail::weighted_draw(nodes, draws));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const double share = nodes[i].share / 8.0;
    INFO("node " << i);
    CHECK(std::abs(count[i] - times * share) <= 5 * std::sqrt(times * share * (1 - share)));  // 5 sigma
  }
}

TEST_CASE("weighted draw: one candidate is left out, the others are drawn in proportion to their weights") {
  constexpr int times = 100'000;
  const std::vector<Node> nodes{{1}, {4}, {3}};
  std::vector<int> count(nodes.size(), 0);
  Draws draws;
  for (int i = 0; i < times; ++i) ++count.at(*pdroute::detail::weighted_draw(nodes, draws, 1));
  CHECK(count[1] == 0);
  CHECK(std::abs(count[0] - times / 4) <= 5 * std::sqrt(times * 0.25 * 0.75));
  CHECK(pdroute::detail::weighted_draw(std::vector<Node>{{0}, {4}}, draws, 1) == std::nullopt);
}

TEST_CASE("weighted draw: weights fall while they are read, and a candidate with a weight is drawn") {
  struct Falling {
    mutable std::uint32_t share;
    [[nodiscard]] std::uint32_t weight() const { return std::exchange(share, share > 0 ? 1U : 0U); }
  };
  Draws draws;
  for (int i = 0; i < 1000; ++i) {
    const std::vector<Falling> nodes{{1000}, {1000}, {0}};
    const auto drawn = pdroute::detail::weighted_draw(nodes, draws);
    REQUIRE(drawn);
    REQUIRE(*drawn < 2);
  }
  struct Gone {
    mutable std::uint32_t share;
    [[nodiscard]] std::uint32_t weight() const { return std::exchange(share, 0); }
  };
  CHECK_FALSE(pdroute::detail::weighted_draw(std::vector<Gone>{{7}, {7}}, draws));
}

TEST_CASE("weighted draw: no candidate with a weight gives none") {
  Draws draws;
  CHECK_FALSE(pdroute::detail::weighted_draw(std::vector<Node>{}, draws));
  CHECK_FALSE(pdroute::detail::weighted_draw(std::vector<Node>{{0}, {0}}, draws));
}

TEST_CASE("candidate weight: an unchecked weight counts as at most the maximum") {
  CHECK(pdroute::detail::candidate_weight(Node{10'000}) == 10'000);
  CHECK(pdroute::detail::candidate_weight(Node{10'001}) == 10'000);
}
