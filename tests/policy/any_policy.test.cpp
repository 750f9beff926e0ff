// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/any_policy.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::LeastTokensPolicy;
using pdroute::QpsPolicy;
using pdroute::RandomPolicy;
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;

using PerDispatcher = RoundRobinPolicy<Rotation::per_dispatcher>;
using Any = pdroute::AnyPolicy<RoundRobinPolicy<>, PerDispatcher, RandomPolicy<>, QpsPolicy<>, LeastTokensPolicy,
                               pdroute::PowerOfTwoChoicesPolicy<>>;

/// The pairs that a router chooses while the last five routes are held and some requests find no decode endpoint.
template <class Policy>
std::vector<std::string> pairs(const Policy& policy) {
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Engine, pdroute::ManualClock>;
  auto router =
      Router::create(
          {.prefill = engines("p", 3), .decode = engines("d", 4), .prefill_policy = policy, .decode_policy = policy})
          .value();
  auto dispatcher = router.dispatcher();
  std::vector<typename Router::Route> held(5);
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < 60; ++i) {
    const pdroute::Request request{.prompt_tokens = 1 + i * i % 17};
    if (i % 7 == 0) {
      CHECK_FALSE(dispatcher.route(request, {.decode = {.accept = [](const Engine&) { return false; }}}));
    }
    auto route = dispatcher.route(request);
    REQUIRE(route);
    chosen.push_back(std::string(route->prefill.id()).append(route->decode.id()));
    held[i % held.size()] = std::move(*route);
  }
  return chosen;
}

}  // namespace

TEMPLATE_TEST_CASE("any policy: chooses as the policy that it holds", "", RoundRobinPolicy<>, PerDispatcher,
                   RandomPolicy<>, QpsPolicy<>, LeastTokensPolicy, pdroute::PowerOfTwoChoicesPolicy<>) {
  CHECK(pairs(Any{TestType{}}) == pairs(TestType{}));
}

TEST_CASE("any policy: the parameters of the held policy count") {
  CHECK(pairs(Any{RandomPolicy<>{.seed = 1}}) == pairs(RandomPolicy<>{.seed = 1}));
  CHECK(pairs(Any{RandomPolicy<>{.seed = 1}}) != pairs(Any{RandomPolicy<>{.seed = 2}}));
}

TEST_CASE("any policy: endpoints carry what any of the policies reads, with the options of the held one") {
  STATIC_REQUIRE(std::is_same_v<Any::Load, pdroute::Loads<pdroute::RequestRate, pdroute::Tokens>>);
  CHECK(std::get<0>(Any{QpsPolicy<>{.cost = {.window = 12s}}}.load_options()).length() == 12s);
  CHECK(std::get<0>(Any{RandomPolicy<>{}}.load_options()).length() == 60s);
  STATIC_REQUIRE(std::is_same_v<pdroute::AnyPolicy<RandomPolicy<>, RoundRobinPolicy<>>::Load, pdroute::NoLoad>);
}

TEST_CASE("any policy: a wrong parameter of the held policy is refused") {
  using Router = pdroute::DisaggregatedRouter<Any, Any, Engine>;
  const auto refused = Router::create({.prefill_policy = {QpsPolicy<>{.cost = {.window = 0s}}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().rule == pdroute::ConfigError::Rule::window_in_range);
}
