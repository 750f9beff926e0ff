// SPDX-License-Identifier: Apache-2.0
// What holds for every policy of the library, on both legs of a router.
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <pdroute/pdroute.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using namespace pdroute;
using std::chrono_literals::operator""ms;

/// Policies that see how busy an endpoint is.
using LoadPolicies =
    std::tuple<LeastRequestPolicy, PowerOfTwoChoicesPolicy<>, LeastTokensPolicy, LeastKvPolicy, PeakEwmaPolicy,
               LowestCostPolicy<ReportedRequests>, LowestCostPolicy<ReportedQueue, 2>,
               LowestCostPolicy<ReportedKvUsage, all_candidates, TieRule::random>, WeightedTwoChoicesPolicy>;
/// All other policies.
using BlindPolicies =
    std::tuple<RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>, RandomPolicy<>, QpsPolicy<>,
               QpsPolicy<TieRule::random>, LowestCostPolicy<MeanLatency>, LowestCostPolicy<MeanTimeToFirstToken, 2>,
               WeightedRandomPolicy, WeightedRoundRobinPolicy, RendezvousPolicy<>,
               RendezvousPolicy<WeightedRoundRobinPolicy>, SessionAffinityPolicy<LeastRequestPolicy>,
               AnyPolicy<RoundRobinPolicy<>, LeastTokensPolicy, PeakEwmaPolicy>>;
using EveryPolicy = decltype(std::tuple_cat(std::declval<LoadPolicies>(), std::declval<BlindPolicies>()));

template <class Policy>
Policy make() {
  return {};
}
template <>
SessionAffinityPolicy<LeastRequestPolicy> make() {
  SessionAffinityPolicy<LeastRequestPolicy> policy;
  policy.sessions = std::make_shared<SessionTable>();
  return policy;
}

template <class Policy>
struct World {
  using Router = DisaggregatedRouter<Policy, Policy, Engine, ManualClock>;
  using Route = typename Router::Route;

  explicit World(std::size_t each, std::uint64_t seed = 0)
      : router(Router::create({.prefill = engines("p", each),
                               .decode = engines("d", each),
                               .prefill_policy = make<Policy>(),
                               .decode_policy = make<Policy>(),
                               .clock = clock,
                               .seed = seed})
                   .value()),
        dispatcher(router.dispatcher()) {}

  Route route() {
    auto route = dispatcher.route({.prompt_tokens = 100, .key = key(requests++)});
    REQUIRE(route);
    return std::move(*route);
  }
  void assign(std::size_t each) {
    REQUIRE(router.assign(Role::prefill, engines("p", each)));
    REQUIRE(router.assign(Role::decode, engines("d", each)));
  }
  [[nodiscard]] std::uint64_t in_flight() const {
    std::uint64_t sum = 0;
    for (const Role role : {Role::prefill, Role::decode}) {
      for (const auto& endpoint : router.endpoints(role)) sum += endpoint.in_flight;
    }
    return sum;
  }

  ManualClock clock;
  Router router;
  typename Router::Dispatcher dispatcher;
  std::uint64_t requests = 0;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("every policy: an empty role is refused, a single endpoint is always chosen", "", EveryPolicy) {
  World<TestType> world(0);
  const auto route = world.dispatcher.route();
  REQUIRE_FALSE(route);
  CHECK(route.error() == NoEndpoint{});
  world.assign(1);
  for (int i = 0; i < 10; ++i) {
    const auto only = world.route();
    CHECK(only.prefill.id() == "p0");
    CHECK(only.decode.id() == "d0");
  }
}

TEMPLATE_LIST_TEST_CASE("every policy: equal endpoints get equal shares", "", EveryPolicy) {
  World<TestType> world(4);
  constexpr int choices = 100'000;
  std::map<std::string, int> given;
  for (int i = 0; i < choices; ++i) {
    auto route = world.route();
    ++given[std::string(route.prefill.id())];
    ++given[std::string(route.decode.id())];
    route.complete(world.clock.now());
  }
  CHECK(given.size() == 8);
  const double sigma = std::sqrt(choices * 0.25 * 0.75);  // of independent draws; a rotation deviates less
  for (const auto& [id, count] : given) {
    INFO(id);
    CHECK(count == Approx(choices / 4).margin(4.5 * sigma));
  }
  CHECK(world.in_flight() == 0);
}

TEMPLATE_LIST_TEST_CASE("every policy: the same seed and calls give the same choices", "", EveryPolicy) {
  World<TestType> one(5, 42);
  World<TestType> other(5, 42);
  std::array<typename World<TestType>::Route, 16> ours;
  std::array<typename World<TestType>::Route, 16> theirs;
  SplitMix64 random{7};
  for (int i = 0; i < 2000; ++i) {
    const std::size_t place = below(random, 16);
    const auto step = 1ms * below(random, 500);
    one.clock.advance(step);
    other.clock.advance(step);
    if (ours[place].decode) {
      ours[place].complete(one.clock.now());
      theirs[place].complete(other.clock.now());
    }
    ours[place] = one.route();
    theirs[place] = other.route();
    REQUIRE(ours[place].prefill.id() == theirs[place].prefill.id());
    REQUIRE(ours[place].decode.id() == theirs[place].decode.id());
  }
  for (auto& route : ours) route = {};
  CHECK(one.in_flight() == 0);
}

TEMPLATE_LIST_TEST_CASE("every policy: an endpoint gone between two calls is not chosen", "", EveryPolicy) {
  World<TestType> world(3);
  for (int i = 0; i < 10; ++i) static_cast<void>(world.route());
  world.assign(2);
  for (int i = 0; i < 200; ++i) {
    const auto route = world.route();
    REQUIRE(route.prefill.id() != "p2");
    REQUIRE(route.decode.id() != "d2");
  }
}

TEMPLATE_LIST_TEST_CASE("every policy: choosing allocates nothing once warm", "", EveryPolicy) {
  World<TestType> world(4);
  for (int i = 0; i < 100; ++i) world.route().complete(world.clock.now());
  const std::uint64_t before = bench::allocations_of_this_thread();
  REQUIRE(before > 0);
  for (int i = 0; i < 1000; ++i) {
    auto route = world.dispatcher.route({.prompt_tokens = 100, .key = key(world.requests++)});
    if (route && i % 3 != 0) route->complete(world.clock.now());
  }
  CHECK(bench::allocations_of_this_thread() == before);
}

TEMPLATE_LIST_TEST_CASE("load policies: an endpoint with fifty requests gets none until the others have as many", "",
                        LoadPolicies) {
  World<TestType> world(1);
  std::vector<typename World<TestType>::Route> held;
  for (int i = 0; i < 50; ++i) held.push_back(world.route());
  world.assign(4);
  for (int i = 0; i < 60; ++i) {
    held.push_back(world.route());
    REQUIRE(held.back().prefill.id() != "p0");
    REQUIRE(held.back().decode.id() != "d0");
  }
}
