// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/weighted_two_choices.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <queue>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::ManualClock;
using pdroute::PowerOfTwoChoicesPolicy;
using pdroute::Request;
using pdroute::WeightedTwoChoicesPolicy;

struct Node {
  std::uint32_t share = 1;
  std::uint32_t requests = 0;
  [[nodiscard]] std::uint32_t weight() const { return share; }
  [[nodiscard]] std::uint32_t in_flight() const { return requests; }
};
using Nodes = std::vector<Node>;
struct Uncounted {
  [[nodiscard]] static std::uint32_t weight() { return 1; }
};

static_assert(pdroute::check_policy<WeightedTwoChoicesPolicy, Nodes>());
static_assert(std::is_empty_v<WeightedTwoChoicesPolicy>);
static_assert(std::is_same_v<WeightedTwoChoicesPolicy::Load, pdroute::Identity>);
template <class Candidates>
concept Selectable = pdroute::EndpointSelector<WeightedTwoChoicesPolicy, Candidates, Request,
                                               pdroute::LocalContext<WeightedTwoChoicesPolicy>>;
static_assert(Selectable<Nodes> && !Selectable<std::vector<Uncounted>>);

/// A context with prepared draws.
struct Draws {
  std::queue<std::uint32_t> next;
  static int now() { return 0; }
  std::uint32_t below(std::uint32_t bound) {
    const std::uint32_t draw = next.front();
    REQUIRE(draw < bound);
    next.pop();
    return draw;
  }
};

/// The choice if `first` and then `second` are drawn. Precondition: `first` < `second`.
std::size_t of_two(const Nodes& nodes, std::size_t first, std::size_t second) {
  const auto before = [&](std::size_t end) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < end; ++i) sum += nodes[i].share;
    return sum;
  };
  Draws draws{std::queue<std::uint32_t>({before(first), before(second) - nodes[first].share})};
  return WeightedTwoChoicesPolicy{}.select(nodes, Request{}, draws).value();
}

/// The part of its share by weight that each node gets. Requests arrive at random and take one second on average, and
/// `busy` of them are in flight on average.
std::vector<double> parts_of_shares(const std::vector<std::uint32_t>& weights, double busy) {
  constexpr int requests = 200'000;
  Nodes nodes;
  double sum = 0;
  for (const std::uint32_t weight : weights) {
    nodes.push_back({weight});
    sum += weight;
  }
  pdroute::LocalContext context{WeightedTwoChoicesPolicy{}, ManualClock{}, 1};
  pdroute::SplitMix64 random{2};
  const auto wait = [&] {
    return -std::log((static_cast<double>(pdroute::below(random, 1U << 30U)) + 1) / (1U << 30U));
  };
  using End = std::pair<double, std::size_t>;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends;
  std::vector<double> given(nodes.size(), 0);
  double now = 0;
  for (int i = 0; i < requests; ++i) {
    for (now += wait() / busy; !ends.empty() && ends.top().first <= now; ends.pop())
      --nodes[ends.top().second].requests;
    const std::size_t chosen = WeightedTwoChoicesPolicy{}.select(nodes, Request{}, context).value();
    ++given[chosen];
    ++nodes[chosen].requests;
    ends.emplace(now + wait(), chosen);
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) given[i] /= requests * weights[i] / sum;
  return given;
}

}  // namespace

TEST_CASE("weighted two choices: no endpoint or none with a weight gives none, a single one is always chosen") {
  pdroute::LocalContext context{WeightedTwoChoicesPolicy{}, ManualClock{}, 1};
  const auto choose = [&](const Nodes& nodes) { return WeightedTwoChoicesPolicy{}.select(nodes, Request{}, context); };
  CHECK_FALSE(choose({}));
  CHECK_FALSE(choose({{0, 0}, {0, 0}}));
  CHECK(choose({{3, 50}}) == 0U);
  for (int i = 0; i < 50; ++i) REQUIRE(choose({{0, 0}, {3, 50}, {0, 0}}) == 1U);
}

TEST_CASE("weighted two choices: the second wins if, with this request, it is no busier for its weight") {
  CHECK(of_two({{1, 0}, {10, 0}}, 0, 1) == 0);  // both idle: the one drawn first, so that shares follow the weights
  CHECK(of_two({{10, 0}, {1, 0}}, 0, 1) == 0);
  CHECK(of_two({{1, 1}, {10, 9}}, 0, 1) == 1);   // 10 of 10 against 1 of 1
  CHECK(of_two({{1, 1}, {10, 10}}, 0, 1) == 0);  // 11 of 10
  CHECK(of_two({{10, 9}, {1, 0}}, 0, 1) == 0);   // 1 of 1 against 9 of 10
  CHECK(of_two({{10, 10}, {1, 0}}, 0, 1) == 1);
  CHECK(of_two({{5, 5}, {1, 0}, {5, 4}}, 0, 2) == 2);
}

TEST_CASE("weighted two choices: with equal weights, the choices are those of power of two choices") {
  pdroute::LocalContext weighted{WeightedTwoChoicesPolicy{}, ManualClock{}, 3};
  pdroute::LocalContext plain{PowerOfTwoChoicesPolicy<>{}, ManualClock{}, 3};
  pdroute::SplitMix64 random{4};
  for (int i = 0; i < 2000; ++i) {
    Nodes nodes(2 + pdroute::below(random, 6));
    for (Node& node : nodes) node.requests = pdroute::below(random, 4);
    REQUIRE(WeightedTwoChoicesPolicy{}.select(nodes, Request{}, weighted) ==
            PowerOfTwoChoicesPolicy<>{}.select(nodes, Request{}, plain));
  }
}

TEST_CASE("weighted two choices: shares follow the weights, idle or busy, also where one has most of the weight") {
  const auto weights = GENERATE(
      values<std::vector<std::uint32_t>>({{2, 1}, {10, 1}, {1, 2, 5}, {1, 1, 1, 1, 1, 1, 1, 10}, {1, 1, 2, 2}}));
  const auto [busy, margin] = GENERATE(std::pair{0.2, 0.1}, std::pair{4.0, 0.3}, std::pair{100.0, 0.05});
  for (const double part : parts_of_shares(weights, busy)) {
    INFO("weights " << Catch::Detail::stringify(weights) << ", " << busy << " requests in flight");
    CHECK(part == Approx(1).margin(margin));
  }
}

TEST_CASE("weighted two choices: the explanation tells both that were drawn") {
  struct Trace {
    std::string text = {};
    void reason(std::string_view why) { text.append(why); }
    void cost(std::size_t i, std::string_view name, double value) {
      text.append(std::to_string(i)).append(" ").append(name).append(" ");
      text.append(std::to_string(static_cast<int>(value))).append(", ");
    }
  };
  const auto explained = [](const Nodes& nodes, std::queue<std::uint32_t> drawn) {
    Draws draws{std::move(drawn)};
    Trace trace;
    WeightedTwoChoicesPolicy{}.explain(nodes, Request{}, draws, trace);
    return trace.text;
  };
  const Nodes nodes{{1, 3}, {2, 1}, {1, 7}};
  CHECK(explained(nodes, std::queue<std::uint32_t>({0, 0})) ==
        "0 in_flight 3, 1 in_flight 1, less busy for its weight than the one drawn first");
  CHECK(explained(nodes, std::queue<std::uint32_t>({1, 1})) ==
        "1 in_flight 1, 2 in_flight 7, drawn first by weight of two");
  CHECK(explained({}, {}).empty());
}
