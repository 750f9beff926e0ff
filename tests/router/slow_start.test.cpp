// SPDX-License-Identifier: Apache-2.0
// Slow start: endpoints that join a role or come back are given requests step by step.
#include <fmt/format.h>
#include <chrono>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::FailureKind;
using pdroute::Health;
using pdroute::Intake;
using pdroute::ManualClock;
using pdroute::Role;
using pdroute::SlowStart;

template <class Policy>
struct World {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Policy, Engine, ManualClock>;

  explicit World(std::size_t decode, const SlowStart& slow_start = {.duration = 30s, .floor = 0.1},
                 const pdroute::OutlierDetection& outlier_detection = {.consecutive_failures = 0})
      : router(Router::create({.prefill = engines("p", 2),
                               .decode = engines("d", decode),
                               .clock = clock,
                               .outlier_detection = outlier_detection,
                               .slow_start = slow_start})
                   .value()) {}

  /// Routes and keeps the leases. Returns how many of them are on this endpoint.
  int choose(int requests, const std::string& id, const typename Router::Filter& filter = {}) {
    int there = 0;
    for (int i = 0; i < requests; ++i) {
      auto lease = router.decode({.prompt_tokens = 10}, filter);
      REQUIRE(lease);
      there += lease->id() == id ? 1 : 0;
      running.push_back(std::move(*lease));
    }
    return there;
  }
  void advance(std::chrono::nanoseconds step) {
    clock.advance(step);
    static_cast<void>(router.advance(clock.now()));
  }
  void join(const std::string& id) { REQUIRE_FALSE(router.add(Role::decode, Engine{id})); }
  [[nodiscard]] double share(const std::string& id) const {
    return router.endpoint(Role::decode, id).value().admitted_share;
  }

  ManualClock clock;
  Router router;
  std::vector<typename Router::DecodeLease> running;
};

}  // namespace

TEMPLATE_TEST_CASE("slow start: of 100 requests that a policy would give an endpoint that joins, ten get there", "",
                   pdroute::LeastRequestPolicy, pdroute::LeastKvPolicy, pdroute::QpsPolicy<>) {
  World<TestType> world(4);
  world.choose(400, "d0");
  world.join("new");
  CHECK(world.choose(100, "new") == 10);
}

TEST_CASE("slow start: off, an endpoint that joins gets all") {
  World<pdroute::LeastRequestPolicy> world(4, SlowStart{});
  world.choose(400, "d0");
  world.join("new");
  CHECK(world.choose(100, "new") == 100);
  CHECK(world.share("new") == 1);
}

TEST_CASE("slow start: members that are there at the creation, or join an empty role, do not start slowly") {
  World<pdroute::LeastRequestPolicy> world(2);
  CHECK(world.share("d0") == 1);
  REQUIRE(world.router.assign(Role::decode, {}));
  REQUIRE(world.router.assign(Role::decode, engines("e", 2)));
  CHECK(world.share("e0") == 1);
}

TEST_CASE("slow start: the share rises from the floor in a straight line, from the first advance on") {
  World<pdroute::LeastRequestPolicy> world(4);
  world.choose(400, "d0");
  world.join("new");
  CHECK(world.share("new") == Approx(0.1).margin(0.001));
  world.advance(10s);  // the first one: slow start begins now
  CHECK(world.share("new") == Approx(0.1).margin(0.001));
  world.advance(15s);
  CHECK(world.share("new") == Approx(0.5).margin(0.001));
  CHECK(world.choose(50, "new") == 25);
  world.advance(14s);
  CHECK(world.share("new") < 1);
  world.advance(1s);
  CHECK(world.share("new") == 1);
  CHECK(world.choose(20, "new") == 20);
  world.advance(1s);
  CHECK(world.share("new") == 1);
}

TEST_CASE("slow start: a clock that steps back does not prolong it") {
  World<pdroute::LeastRequestPolicy> world(2);
  world.advance(100s);
  world.join("new");
  world.advance(0s);
  world.advance(-50s);
  world.advance(30s);
  CHECK(world.share("new") == 1);
}

TEST_CASE("slow start: an endpoint that is healthy again starts slowly, one whose pause has ended does not") {
  World<pdroute::LeastRequestPolicy> world(4);
  REQUIRE(world.router.set_health("d3", Health::unhealthy));
  REQUIRE(world.router.set_intake(Role::decode, "d2", Intake::paused));
  world.choose(200, "d0");
  REQUIRE(world.router.set_health("d3", Health::healthy));
  REQUIRE(world.router.set_intake(Role::decode, "d2", Intake::accepting));
  CHECK(world.share("d2") == 1);
  CHECK(world.share("d3") == Approx(0.1).margin(0.001));
  REQUIRE(world.router.set_health("d2", Health::healthy));  // it was healthy
  CHECK(world.share("d2") == 1);
  REQUIRE(world.router.set_intake(Role::decode, "d2", Intake::paused));
  CHECK(world.choose(100, "d3") == 10);
}

TEST_CASE("slow start: an endpoint that served by failing open does not start slowly when it is healthy") {
  World<pdroute::LeastRequestPolicy> world(2, {.duration = 30s},
                                           {.consecutive_failures = 0, .fail_open_threshold = 0.5});
  REQUIRE(world.router.set_health("d0", Health::unhealthy));
  REQUIRE(world.router.set_health("d1", Health::unhealthy));
  REQUIRE(world.router.set_health("d0", Health::healthy));
  CHECK(world.share("d0") == 1);
  REQUIRE(world.router.set_health("d1", Health::healthy));  // half of them are healthy, so it had left
  CHECK(world.share("d1") < 1);
}

TEST_CASE("slow start: an endpoint that outlier detection takes back starts slowly, but its probe begins at once") {
  World<pdroute::RoundRobinPolicy<>> world(3, {.duration = 30s},
                                           {.consecutive_failures = 1, .base_ejection_time = 5s, .panic_threshold = 0});
  const auto is_d0 = [](const Engine& engine) { return engine.id == "d0"; };
  REQUIRE(world.router.set_health("d0", Health::unhealthy));
  REQUIRE(world.router.set_health("d0", Health::healthy));  // in slow start already
  world.router.decode({}, {.accept = is_d0}).value().fail(FailureKind::unreachable);
  world.advance(0s);
  REQUIRE(world.router.endpoint(Role::decode, "d0")->ejection == pdroute::EjectionPhase::ejected);
  world.advance(5s);
  REQUIRE(world.router.endpoint(Role::decode, "d0")->ejection == pdroute::EjectionPhase::probing);
  auto probe = world.router.decode({}, {.accept = is_d0});
  REQUIRE(probe);
  CHECK_FALSE(world.router.decode({}, {.accept = is_d0}));
  probe->complete();
  world.advance(20s);
  CHECK(world.router.endpoint(Role::decode, "d0")->ejection == pdroute::EjectionPhase::none);
  CHECK(world.share("d0") == Approx(0.1).margin(0.001));
  world.advance(15s);
  CHECK(world.share("d0") == Approx(0.5).margin(0.001));
}

TEST_CASE("slow start: an endpoint that changes its role starts slowly there") {
  World<pdroute::LeastRequestPolicy> world(2);
  REQUIRE(world.router.change_role("p1", Role::decode) == pdroute::RoleChange::done);
  CHECK(world.share("p1") < 1);
  CHECK(world.share("d0") == 1);
}

TEST_CASE("slow start: no request is refused for it, also with a filter") {
  World<pdroute::LeastRequestPolicy> world(1);
  world.join("new");
  CHECK(world.choose(20, "new", {.accept = [](const Engine& engine) { return engine.id == "new"; }}) == 20);
  REQUIRE(world.router.set_health("d0", Health::unhealthy));
  CHECK(world.choose(20, "new") == 20);
}

TEST_CASE("slow start: requests with a filter give it its share, too") {
  World<pdroute::LeastRequestPolicy> world(4);
  world.choose(400, "d0");
  world.join("new");
  const int there = world.choose(100, "new", {.accept = [](const Engine& engine) { return engine.id != "d0"; }});
  CHECK(there >= 9);
  CHECK(there <= 11);
}

TEST_CASE("slow start: a choice that is taken back does not use up the share") {
  World<pdroute::LeastRequestPolicy> world(1);
  world.choose(20, "d0");
  REQUIRE_FALSE(world.router.add(Role::decode, Engine{"new"}));
  const auto never = [](const Engine& /*prefill*/, const Engine& /*decode*/) { return false; };
  for (int i = 0; i < 5; ++i) CHECK_FALSE(world.router.route({}, {.compatible = never}));
  CHECK(world.choose(1, "new") == 1);
}

TEST_CASE("slow start: an explanation tells what the next route does") {
  World<pdroute::LeastRequestPolicy> world(2);
  world.choose(20, "d0");
  world.join("new");
  for (int i = 0; i < 30; ++i) {
    const auto explained = world.router.explain().decode;
    REQUIRE(explained.chosen() != nullptr);
    const std::string expected = explained.chosen()->id;
    auto route = world.router.route().value();
    CHECK(route.decode.id() == expected);
    world.running.push_back(std::move(route.decode));
  }
}

TEST_CASE("slow start: limits hold, and drains are final") {
  World<pdroute::LeastRequestPolicy> world(1);
  REQUIRE_FALSE(world.router.add(Role::decode, Engine{.id = "new"}));
  REQUIRE_FALSE(world.router.set_capacity(Role::decode, "new", {.requests = 2}));
  const typename World<pdroute::LeastRequestPolicy>::Router::Filter only{
      .accept = [](const Engine& engine) { return engine.id == "new"; }};
  CHECK(world.choose(2, "new", only) == 2);
  CHECK_FALSE(world.router.decode({}, only));
  world.running.clear();
  REQUIRE(world.router.drain(Role::decode, "new"));
  CHECK_FALSE(world.router.decode({}, only));
  world.advance(0s);
  world.advance(60s);
  CHECK_FALSE(world.router.decode({}, only));
}

TEST_CASE("slow start: the status says so in words") {
  World<pdroute::LeastRequestPolicy> world(1, {.duration = 10s, .floor = 0.25});
  world.join("new");
  CHECK(fmt::format("{}", world.router.endpoint(Role::decode, "new").value()) ==
        "new#2 healthy, accepting, slow start 25 %, 0 in flight");
}

TEST_CASE("slow start: a router with invalid options is not created") {
  using Router = World<pdroute::LeastRequestPolicy>::Router;
  const auto refused = Router::create({.slow_start = {.duration = -1s}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().rule == pdroute::ConfigError::Rule::slow_start_in_range);
}
