// SPDX-License-Identifier: Apache-2.0
// Faults seen by running other gateways. Each test is named after one fault, and shows that this library does not have
// it. This file is about choices and reasons. faults_counting.test.cpp is about counts and lifetimes.
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using pdroute::Role;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;
using QpsRouter =
    pdroute::DisaggregatedRouter<pdroute::QpsPolicy<>, pdroute::QpsPolicy<>, Engine, pdroute::ManualClock>;

}  // namespace

TEST_CASE("fault: two cursors in lockstep use 2 of 4 pairs of 2P2D, and 8 of 64 of 8P8D") {
  const std::size_t n = GENERATE(2U, 8U);
  auto router = Router::create({.prefill = engines("p", n), .decode = engines("d", n)}).value();
  auto dispatcher = router.dispatcher();
  std::set<std::string> pairs;
  for (std::size_t i = 0; i < n * n; ++i) {
    const auto route = dispatcher.route();
    pairs.insert(route->prefill->id + route->decode->id);
  }
  CHECK(pairs.size() == n * n);
}

TEST_CASE("fault: two legs in lockstep, when both take the lowest rate and all rates are equal") {
  const auto [p, d] = GENERATE(table<std::size_t, std::size_t>({{2, 2}, {8, 8}, {2, 8}, {3, 5}, {8, 4}}));
  pdroute::ManualClock clock;
  auto router = QpsRouter::create({.prefill = engines("p", p), .decode = engines("d", d), .clock = clock}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, std::size_t> pairs;
  for (std::size_t i = 0; i < 4 * p * d; ++i) {
    const auto route = dispatcher.route();
    ++pairs[route->prefill->id + route->decode->id];
  }
  INFO(p << " x " << d);
  CHECK(pairs.size() == p * d);
  for (const auto& [pair, times] : pairs) CHECK(times == 4);
}

TEST_CASE("fault: two legs in lockstep, when both draw at random from one seed") {
  using Random = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
  auto router = Random::create({.prefill = engines("p", 4), .decode = engines("d", 4)}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> pairs;
  for (int i = 0; i < 16000; ++i) {
    const auto route = dispatcher.route();
    ++pairs[route->prefill->id + route->decode->id];
  }
  CHECK(pairs.size() == 16);
  for (const auto& [pair, times] : pairs) CHECK(std::abs(times - 1000) < 155);  // 5 sigma
}

TEST_CASE("fault: an endpoint without observations wins every comparison it is in") {
  pdroute::ManualClock clock;
  auto router = QpsRouter::create({.prefill = engines("p", 7), .decode = engines("d", 1), .clock = clock}).value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 700; ++i) static_cast<void>(dispatcher.prefill());
  clock.advance(std::chrono::seconds{61});                 // the others are idle now, but have been observed
  REQUIRE(router.assign(Role::prefill, engines("p", 8)));  // p7 has not
  std::map<std::string, int> count;
  for (int i = 0; i < 1000; ++i) ++count[(*dispatcher.prefill())->id];
  CHECK(count["p7"] == 125);
}

TEST_CASE("fault: a snapshot keyed by address returns another pool's endpoint") {
  // Routers that are created and destroyed in turn reuse memory. A dispatcher shows only its own router's endpoints.
  for (int i = 0; i < 200; ++i) {
    const std::string name = "r" + std::to_string(i) + "-";
    std::optional<Router> router(Router::create({.prefill = engines(name, 2), .decode = engines(name, 2)}).value());
    auto dispatcher = router->dispatcher();
    router.reset();
    REQUIRE((*dispatcher.prefill())->id.starts_with(name));
  }
}

TEST_CASE("fault: a removal re-sorts the rotation, so one endpoint is hit twice in a row or another is skipped") {
  auto router = Router::create({.prefill = engines("p", 3), .decode = engines("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> count;
  for (int i = 0; i < 2; ++i) ++count[dispatcher.route()->prefill->id];
  REQUIRE(router.assign(Role::prefill, Engines{{"p1"}, {"p2"}}));
  for (int i = 0; i < 4; ++i) ++count[dispatcher.route()->prefill->id];
  CHECK(count["p1"] + count["p2"] == 5);
  CHECK(std::abs(count["p1"] - count["p2"]) <= 1);
}

TEST_CASE("fault: load counted at dispatch and not at choice, so choices in between herd") {
  pdroute::ManualClock clock;  // stands still: no report and no heartbeat, only the router's own choices
  auto router = QpsRouter::create({.prefill = engines("p", 8), .decode = engines("d", 8), .clock = clock}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> count;
  for (int i = 0; i < 1000; ++i) {
    const auto route = dispatcher.route();
    ++count[route->prefill->id];
    ++count[route->decode->id];
  }
  for (const auto& [id, times] : count) CHECK(times == 125);
}

TEST_CASE("fault: the retry picks the endpoint that has just failed") {
  auto router = Router::create({.prefill = engines("p", 3), .decode = engines("d", 3)}).value();
  auto dispatcher = router.dispatcher();
  for (int request = 0; request < 30; ++request) {
    pdroute::FailedEndpoints<> failed;
    std::set<std::string> tried;
    for (int attempt = 0; attempt < 3; ++attempt) {
      auto route = dispatcher.route({}, {.prefill = {.exclude = failed}, .decode = {.exclude = failed}}).value();
      CHECK(tried.insert(route.prefill->id).second);
      CHECK(tried.insert(route.decode->id).second);
      failed.add(route.prefill);
      failed.add(route.decode);
      route.prefill.fail(pdroute::FailureKind::unreachable);
      route.decode.fail(pdroute::FailureKind::unreachable);
    }
    CHECK_FALSE(dispatcher.route({}, {.prefill = {.exclude = failed}, .decode = {.exclude = failed}}));
  }
}

TEST_CASE("fault: the retry picks the endpoint that has just failed, when the broken one is the idlest") {
  pdroute::ManualClock clock;
  auto router = QpsRouter::create({.prefill = engines("p", 1), .decode = engines("d", 2), .clock = clock}).value();
  auto dispatcher = router.dispatcher();
  const std::vector<std::string_view> d1{"d1"};
  for (int i = 0; i < 50; ++i) static_cast<void>(dispatcher.decode({}, {.allowed = d1}));
  auto lease = dispatcher.decode().value();
  CHECK(lease->id == "d0");  // has far fewer arrivals, so the policy would choose it again and again
  pdroute::FailedEndpoints<> failed;
  failed.add(lease);
  lease.fail(pdroute::FailureKind::bad_response);
  for (int i = 0; i < 5; ++i) CHECK((*dispatcher.decode({}, {.exclude = failed}))->id == "d1");
}

TEST_CASE("fault: decode chosen without looking at prefill meets a partner of another group") {
  struct Grouped {
    std::string id;
    int group;
  };
  using Groups = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Grouped>;
  auto router = Groups::create({.prefill = std::vector<Grouped>{{"p0", 0}, {"p1", 1}, {"p2", 2}},
                                .decode = std::vector<Grouped>{{"d0", 1}, {"d1", 2}, {"d2", 2}}})
                    .value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 500; ++i) {
    const auto route =
        dispatcher.route({}, {.compatible = [](const Grouped& p, const Grouped& d) { return p.group == d.group; }});
    REQUIRE(route);
    CHECK(route->prefill->group == route->decode->group);
  }
}

TEST_CASE("fault: the answer does not tell which rules left no endpoint, nor overload from absence") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 5)}).value();
  auto dispatcher = router.dispatcher();
  REQUIRE(router.set_health("d0", pdroute::Health::unhealthy));
  REQUIRE(router.set_intake(Role::decode, "d1", pdroute::Intake::paused));
  REQUIRE(router.drain(Role::decode, "d2"));
  const std::vector<std::string_view> d3{"d3"};
  const auto held = dispatcher.decode({}, {.allowed = d3}).value();
  CHECK_FALSE(router.set_capacity(Role::decode, "d3", {.requests = 1}));
  const auto not_d4 = [](const Engine& engine) { return engine.id != "d4"; };
  const auto busy = dispatcher.route({}, {.decode = {.accept = not_d4}}).error();
  CHECK(busy.text() == "no decode endpoint: 1 unhealthy, 1 paused, 1 draining, 1 disallowed, 1 full of 5");
  CHECK(busy.overloaded());
  REQUIRE(router.assign(Role::decode, Engines{{"d0"}}));
  CHECK(dispatcher.route().error().text() == "no decode endpoint: 1 unhealthy of 1");
  CHECK_FALSE(dispatcher.route().error().overloaded());
}
