// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/disaggregated_router.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::ConfigError;
using pdroute::DisaggregatedRouter;
using pdroute::Health;
using pdroute::QpsPolicy;
using pdroute::RandomPolicy;
using pdroute::Role;
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;

using RoundRobinRouter = DisaggregatedRouter<RoundRobinPolicy<>, RoundRobinPolicy<>, Engine>;

int spread(const std::map<std::string, int>& count) {
  const auto [least, most] =
      std::minmax_element(count.begin(), count.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->second - least->second;
}

}  // namespace

TEST_CASE("any contiguous list of the caller's own endpoint type creates a router") {
  const std::array<Engine, 2> prefill{{{"p0"}, {"p1"}}};
  const Engine decode[] = {{"d0"}};
  auto router = RoundRobinRouter::create({.prefill = prefill, .decode = decode});
  REQUIRE(router);
  CHECK(router->endpoints(Role::prefill).size() == 2);
  CHECK(router->endpoints(Role::decode).at(0).id == "d0");
}

TEST_CASE("invalid options are refused, and the error names rule and value") {
  const auto repeated = RoundRobinRouter::create({.prefill = engines("p", 1), .decode = Engines{{"d"}, {"d"}}});
  REQUIRE_FALSE(repeated);
  CHECK(repeated.error().rule == ConfigError::Rule::id_unique);
  CHECK(repeated.error().value == "d");

  using QpsRouter = DisaggregatedRouter<QpsPolicy<>, QpsPolicy<>, Engine>;
  const auto window = QpsRouter::create({.prefill = engines("p", 1), .decode_policy = {.cost = {.window = 0s}}});
  REQUIRE_FALSE(window);
  CHECK(window.error().rule == ConfigError::Rule::window_in_range);
  CHECK(window.error().value == "0 ns");
  CHECK_FALSE(window.error().endpoint);
}

TEST_CASE("an invalid endpoint is named by its role and its place in the list") {
  using Place = ConfigError::Place;
  const auto at_fault = [](const Engines& prefill, const Engines& decode) {
    return RoundRobinRouter::create({.prefill = prefill, .decode = decode}).error().endpoint;
  };
  CHECK(at_fault({{"p"}}, {{"a"}, {"b"}, {"a"}}) == Place{Role::decode, 2});
  CHECK(at_fault({{"p"}, {""}}, {{"d"}}) == Place{Role::prefill, 1});
}

TEST_CASE("an empty router refuses requests, and routes once both roles have endpoints") {
  auto router = RoundRobinRouter::create({}).value();
  CHECK_FALSE(router.route());
  const auto report = router.assign(Role::prefill, engines("p", 1)).value();
  CHECK(report.added == std::vector<std::string>{"p0"});
  CHECK_FALSE(router.route());
  REQUIRE(router.assign(Role::decode, engines("d", 1)));
  CHECK(router.route());
  CHECK(router.prefill());
  CHECK(router.decode());
}

TEST_CASE("one endpoint plays both roles: counts and drains are per role, its health is shared") {
  auto router = RoundRobinRouter::create({.prefill = engines("e", 1), .decode = engines("e", 1)}).value();
  const auto decode = router.decode();
  CHECK(router.endpoints(Role::prefill)[0].in_flight == 0);
  CHECK(router.endpoints(Role::decode)[0].in_flight == 1);
  CHECK(router.set_health("e0", Health::unhealthy));  // health is shared by both roles
  CHECK(router.prefill().error().unhealthy == 1);
  CHECK(router.decode().error().unhealthy == 1);
  CHECK(router.set_health("e0", Health::healthy));
  CHECK(router.drain(Role::decode, "e0"));
  CHECK(router.prefill());
  CHECK_FALSE(router.decode());
}

TEST_CASE("health, intake and drain of an unknown id return false") {
  auto router = RoundRobinRouter::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  CHECK_FALSE(router.set_health("x", Health::unhealthy));
  CHECK(router.set_health("d0", Health::unhealthy));
  CHECK_FALSE(router.drain(Role::prefill, "d0"));
  CHECK_FALSE(router.set_intake(Role::prefill, "d0", pdroute::Intake::paused));
}

TEMPLATE_TEST_CASE("round robin: between membership changes, counts differ by at most 1 on both legs", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>) {
  using Router = DisaggregatedRouter<TestType, TestType, Engine>;
  auto router = Router::create({.prefill = engines("p", 3), .decode = engines("d", 4)}).value();
  auto dispatcher = router.dispatcher();
  pdroute::SplitMix64 random{7};
  const auto pick = [&](std::uint32_t n) { return pdroute::below(random, n); };
  std::map<std::string, int> prefills;
  std::map<std::string, int> decodes;
  for (int change = 0; change < 300; ++change) {
    // Sizes that divide each other and sizes that do not. Sometimes a member is replaced and the size stays.
    const Engines prefill = engines("p", 1 + pick(5));
    Engines decode = engines("d", 1 + pick(5));
    if (pick(2) == 0) decode.back().id += "'";
    const auto prefill_report = router.assign(Role::prefill, prefill).value();
    const auto decode_report = router.assign(Role::decode, decode).value();
    const auto changed = [](const auto& report) { return !report.added.empty() || !report.removed.empty(); };
    if (changed(prefill_report) || changed(decode_report)) {
      prefills.clear();
      decodes.clear();
      for (const Engine& engine : prefill) prefills[engine.id] = 0;
      for (const Engine& engine : decode) decodes[engine.id] = 0;
    }
    for (auto routes = pick(40); routes > 0; --routes) {
      const auto route = dispatcher.route();
      ++prefills.at(route->prefill->id);
      ++decodes.at(route->decode->id);
      REQUIRE(spread(prefills) <= 1);
      REQUIRE(spread(decodes) <= 1);
      if (pick(3) == 0) router.set_health("p0", Health::healthy);  // a health check that finds nothing new
    }
  }
}

TEST_CASE("round robin: a membership change costs a remaining endpoint at most one turn") {
  auto router = RoundRobinRouter::create({.prefill = engines("p", 4), .decode = engines("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  pdroute::SplitMix64 random{3};
  std::map<std::string, int> count{{"p0", 0}, {"p1", 0}};  // members throughout, while p2 and p3 come and go
  for (int change = 0; change < 200; ++change) {
    for (auto routes = pdroute::below(random, 7); routes > 0; --routes) {
      const std::string id = dispatcher.route()->prefill->id;
      if (count.contains(id)) ++count[id];
    }
    REQUIRE(spread(count) <= change + 1);
    REQUIRE(router.assign(Role::prefill, engines("p", 2 + pdroute::below(random, 3))));
  }
}

TEST_CASE("exact round robin: all dispatchers share one rotation") {
  auto router = RoundRobinRouter::create({.prefill = engines("p", 3), .decode = engines("d", 2)}).value();
  auto a = router.dispatcher();
  auto b = router.dispatcher();
  std::string order;
  for (int i = 0; i < 3; ++i) {
    order += a.route()->prefill->id;
    order += b.route()->prefill->id;
    order += router.route()->prefill->id;
  }
  CHECK(order == "p0p1p2p0p1p2p0p1p2");
}

TEST_CASE("the destructor of a removed endpoint calls the router, there is no deadlock") {
  struct CallsBack {
    std::string id;
    std::shared_ptr<void> at_end;
  };
  using Router = DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, CallsBack>;
  std::optional<Router> router;
  bool called = false;
  {
    const std::shared_ptr<void> at_end(nullptr,
                                       [&](void* /*unused*/) { called = router->set_health("d", Health::healthy); });
    router.emplace(Router::create({.prefill = std::vector<CallsBack>{{"p", at_end}},
                                   .decode = std::vector<CallsBack>{{"d", nullptr}}})
                       .value());
  }
  REQUIRE(router->route());  // by the internal dispatcher, which holds a snapshot with the endpoint from now on
  // Would deadlock if the router destroyed endpoints under a lock.
  REQUIRE(router->assign(Role::prefill, std::vector<CallsBack>{}));
  CHECK(called);
}

TEST_CASE("a router is moved while dispatchers and leases are in use, and all keep working") {
  auto router = RoundRobinRouter::create({.prefill = engines("p", 2), .decode = engines("d", 2)}).value();
  auto dispatcher = router.dispatcher();
  auto route = dispatcher.route();
  auto moved = std::move(router);
  CHECK(moved.endpoints(Role::prefill)[0].in_flight == 1);
  auto moved_dispatcher = std::move(dispatcher);
  CHECK(moved_dispatcher.route()->prefill->id == "p1");
}
