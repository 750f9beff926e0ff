// SPDX-License-Identifier: Apache-2.0
#include <pdroute/cost/combinations.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <pdroute/cost/load_costs.hpp>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/policy/lowest_cost.hpp>
#include <pdroute/request.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <type_traits>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::Lexicographic;
using pdroute::LowestCostPolicy;
using pdroute::WeightedSum;

struct Node {
  std::uint32_t requests;
  std::uint64_t queued;
  double price = 0;
  [[nodiscard]] std::uint32_t in_flight() const { return requests; }
  [[nodiscard]] std::uint64_t tokens() const { return queued; }
};
struct Price {
  double operator()(const Node& node) const { return node.price; }
};
/// A cost with an option for its metric.
struct Arrivals {
  pdroute::RateWindow window = 30s;
  using Load = pdroute::RequestRate;
  [[nodiscard]] pdroute::RateWindow load_options() const { return window; }
  auto operator()(const auto& candidate) const { return candidate.in_flight(); }
};

template <class Cost>
std::vector<std::size_t> choices(const Cost& cost, const std::vector<Node>& nodes, int times = 1) {
  const LowestCostPolicy<Cost> policy{cost};
  pdroute::LocalContext context{policy, pdroute::ManualClock{}};
  std::vector<std::size_t> chosen;
  for (int i = 0; i < times; ++i) chosen.push_back(policy.select(nodes, pdroute::Request{}, context).value());
  return chosen;
}

using Indices = std::vector<std::size_t>;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("lexicographic: the next cost decides only between candidates of equal cost") {
  const std::vector<Node> nodes{{2, 10}, {1, 90}, {1, 80}, {1, 80}};
  CHECK(choices(Lexicographic<pdroute::InFlight, pdroute::QueuedTokens>{}, nodes, 4) == Indices{2, 3, 2, 3});
  CHECK(choices(Lexicographic<pdroute::QueuedTokens, pdroute::InFlight>{}, nodes) == Indices{0});
  CHECK(choices(Lexicographic<pdroute::InFlight>{}, nodes, 3) == Indices{1, 2, 3});
}

TEST_CASE("lexicographic: a cost that is not a number goes last") {
  const std::vector<Node> nodes{{0, 0, not_a_number}, {9, 9, 5}, {1, 1, not_a_number}};
  CHECK(choices(Lexicographic<Price, pdroute::InFlight>{}, nodes) == Indices{1});
}

TEST_CASE("weighted sum: each cost counts in proportion to its weight") {
  const std::vector<Node> nodes{{10, 0}, {0, 1000}, {4, 500}};
  using Sum = WeightedSum<pdroute::InFlight, pdroute::QueuedTokens>;
  CHECK(choices(Sum{{}, {1, 0}}, nodes) == Indices{1});
  CHECK(choices(Sum{{}, {0, 1}}, nodes) == Indices{0});
  CHECK(choices(Sum{{}, {1, 0.01}}, nodes) == Indices{2});  // 10, 10 and 9
}

TEST_CASE("weighted sum: a cost that is not a number goes last") {
  CHECK(choices(WeightedSum<Price, pdroute::InFlight>{{}, {1, 1}}, {{0, 0, not_a_number}, {9, 0, 5}}) == Indices{1});
}

TEST_CASE("weighted sum: a cost of weight zero does not count, even if it is infinite") {
  using Price = decltype([](const auto& c) { return c.price; });
  struct Node {
    double price;
    std::uint32_t in_flight_here;
    [[nodiscard]] std::uint32_t in_flight() const { return in_flight_here; }
  };
  const pdroute::LowestCostPolicy<pdroute::WeightedSum<Price, pdroute::InFlight>> policy{{{}, {0, 1}}};
  const std::vector<Node> nodes{{std::numeric_limits<double>::infinity(), 0}, {1, 5}};
  pdroute::LocalContext context{policy};
  CHECK(policy.select(nodes, pdroute::Request{}, context) == 0U);
}

TEST_CASE("weighted sum: a weight below zero, infinite or not a number is refused") {
  using Sum = WeightedSum<pdroute::InFlight, pdroute::QueuedTokens>;
  const auto error_of = [](double weight) { return LowestCostPolicy<Sum>{{{}, {1, weight}}}.check(); };
  CHECK_FALSE(error_of(0));
  CHECK_FALSE(error_of(1e300));
  for (const double wrong : {-1.0, not_a_number, std::numeric_limits<double>::infinity()}) {
    const auto error = error_of(wrong);
    REQUIRE(error);
    CHECK(error->rule == pdroute::ConfigError::Rule::weight_in_range);
  }
}

TEST_CASE("combinations: each metric is carried once, with the options of the first cost that names it") {
  using Sum = WeightedSum<Arrivals, pdroute::QueuedTokens, Arrivals>;
  STATIC_REQUIRE(std::is_same_v<Sum::Load, pdroute::Loads<pdroute::RequestRate, pdroute::Tokens>>);
  STATIC_REQUIRE(std::is_same_v<Lexicographic<pdroute::InFlight, pdroute::QueuedTokens>::Load, pdroute::Tokens>);
  STATIC_REQUIRE(std::is_same_v<Lexicographic<pdroute::InFlight>::Load, pdroute::NoLoad>);
  const Sum sum{{{Arrivals{12s}, {}, Arrivals{24s}}}, {1, 1, 1}};
  CHECK(std::get<0>(sum.load_options()).length() == 12s);
  CHECK(LowestCostPolicy<Lexicographic<Arrivals>>{{{{Arrivals{0s}}}}}.check()->rule ==
        pdroute::ConfigError::Rule::window_in_range);
}

TEST_CASE("combinations: in a router, as prefill and as decode policy, they avoid the loaded endpoint") {
  using Prefill = LowestCostPolicy<Lexicographic<pdroute::QueuedTokens, pdroute::InFlight>>;
  using Decode = pdroute::PowerOfTwoChoicesPolicy<WeightedSum<pdroute::InFlight, pdroute::HeldKvTokens>>;
  using Router = pdroute::DisaggregatedRouter<Prefill, Decode, Engine>;
  auto router =
      Router::create(
          {.prefill = engines("p", 2), .decode = engines("d", 2), .decode_policy = {.cost = {{}, {1, 0.001}}}})
          .value();
  auto dispatcher = router.dispatcher();
  const auto first = dispatcher.route({.prompt_tokens = 5000});
  const auto second = dispatcher.route({.prompt_tokens = 10});
  const auto third = dispatcher.route({.prompt_tokens = 10});
  REQUIRE((first && second && third));
  CHECK(first->prefill.id() != second->prefill.id());
  CHECK(third->prefill.id() == second->prefill.id());
  CHECK(first->decode.id() != second->decode.id());
  CHECK(third->decode.id() == second->decode.id());
}
