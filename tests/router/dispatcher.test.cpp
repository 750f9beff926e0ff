// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/dispatcher.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <pdroute/manual_clock.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using pdroute::DisaggregatedRouter;
using pdroute::Health;
using pdroute::Intake;
using pdroute::QpsPolicy;
using pdroute::RandomPolicy;
using pdroute::Role;
using pdroute::RoundRobinPolicy;

/// Chooses by the test's `rule`, so that a test can decline, fail, or change the endpoints in the middle of a choice.
struct ScriptedPolicy {
  std::function<std::optional<std::size_t>(std::size_t candidates)> rule = [](std::size_t n) {
    return n == 0 ? std::nullopt : std::optional<std::size_t>{0};
  };

  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const {
    return rule(candidates.size());
  }
};

struct Tenant {
  std::size_t shard;
};
struct ByShard {
  static std::optional<std::size_t> select(const auto& candidates, const auto& request, auto& /*context*/) {
    if constexpr (requires { request.shard; }) return request.shard % candidates.size();
    return std::nullopt;
  }
};

struct ByDraw {
  static std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& context) {
    return context.below(static_cast<std::uint32_t>(candidates.size()));
  }
};

struct OnlyForTenants {
  std::optional<std::size_t> select(const auto& candidates, const Tenant& tenant, auto& /*context*/) const {
    return tenant.shard % candidates.size();
  }
};

struct ThrowingMetric : pdroute::NoLoad {
  using NoLoad::NoLoad;
  struct Receipt {};
  static Receipt record(auto /*now*/) { throw 1; }
  static void undo(Receipt /*receipt*/) {}
};
struct ThrowingMetricPolicy {
  using Load = ThrowingMetric;
  std::optional<std::size_t> select(const auto& /*candidates*/, const auto& /*request*/, auto& /*context*/) const {
    return 0;
  }
};

std::uint32_t in_flight(const auto& router, Role role) {
  std::uint32_t sum = 0;
  for (const auto& endpoint : router.endpoints(role)) sum += endpoint.in_flight;
  return sum;
}

}  // namespace

TEST_CASE("a route reserves one endpoint per role, and each lease releases its own") {
  using Router = DisaggregatedRouter<RoundRobinPolicy<>, RoundRobinPolicy<>, Engine>;
  auto router = Router::create({.prefill = engines("p", 2), .decode = engines("d", 2)}).value();
  auto dispatcher = router.dispatcher();
  auto route = dispatcher.route({.prompt_tokens = 812});
  REQUIRE(route);
  CHECK(route->prefill->id == "p0");
  CHECK(route->decode->id == "d0");
  CHECK(in_flight(router, Role::prefill) == 1);
  CHECK(in_flight(router, Role::decode) == 1);
  route->prefill.complete();
  CHECK(in_flight(router, Role::prefill) == 0);
  CHECK(in_flight(router, Role::decode) == 1);
  route->decode.complete();
  CHECK(in_flight(router, Role::decode) == 0);
}

TEST_CASE("prefill and decode are routed by separate calls, and all pairs are used") {
  using Router = DisaggregatedRouter<RoundRobinPolicy<>, RoundRobinPolicy<>, Engine>;
  auto router = Router::create({.prefill = engines("p", 2), .decode = engines("d", 2)}).value();
  auto dispatcher = router.dispatcher();
  std::vector<std::string> pairs;
  for (int i = 0; i < 4; ++i) {
    const auto prefill = dispatcher.prefill();
    CHECK(in_flight(router, Role::decode) == 0);
    const auto decode = dispatcher.decode();
    pairs.push_back((*prefill)->id + (*decode)->id);
  }
  CHECK(pairs == std::vector<std::string>{"p0d0", "p1d1", "p0d1", "p1d0"});
}

TEST_CASE("the decode policy declines: the prefill reservation is undone, including its arrival") {
  using Router = DisaggregatedRouter<QpsPolicy<pdroute::TieRule::first>, ScriptedPolicy, Engine, pdroute::ManualClock>;
  bool decline = true;
  ScriptedPolicy decode;
  decode.rule = [&](std::size_t) { return decline ? std::nullopt : std::optional<std::size_t>{0}; };
  auto router =
      Router::create({.prefill = engines("p", 2), .decode = engines("d", 3), .decode_policy = decode}).value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 3; ++i) {
    const auto route = dispatcher.route();
    REQUIRE_FALSE(route);
    CHECK(route.error() == pdroute::NoEndpoint{.role = Role::decode, .endpoints = 3, .declined = 3});
  }
  CHECK(in_flight(router, Role::prefill) == 0);
  decline = false;
  CHECK(dispatcher.route()->prefill->id == "p0");  // no endpoint has an arrival yet, so the first one is chosen
  CHECK(dispatcher.route()->prefill->id == "p1");
}

TEST_CASE("a route that fails uses up no turn") {
  using Router = DisaggregatedRouter<RoundRobinPolicy<>, ScriptedPolicy, Engine>;
  bool decline = false;
  ScriptedPolicy decode;
  decode.rule = [&](std::size_t) { return decline ? std::nullopt : std::optional<std::size_t>{0}; };
  auto router =
      Router::create({.prefill = engines("p", 2), .decode = engines("d", 1), .decode_policy = decode}).value();
  auto dispatcher = router.dispatcher();
  std::string order;
  for (int i = 0; i < 4; ++i) {
    order += dispatcher.route()->prefill->id;
    decline = true;
    CHECK_FALSE(dispatcher.route());
    decline = false;
  }
  CHECK(order == "p0p1p0p1");
}

TEST_CASE("the endpoints are replaced during a choice, one of the new ones is chosen") {
  using Router = DisaggregatedRouter<ScriptedPolicy, RandomPolicy<>, Engine>;
  std::optional<Router> router;
  ScriptedPolicy policy;
  policy.rule = [&](std::size_t n) -> std::optional<std::size_t> {
    // This stands for another thread, which replaces the whole list.
    if (n == 500) REQUIRE(router->assign(Role::prefill, Engines{{"new"}}));
    return 0;
  };
  router.emplace(
      Router::create({.prefill = engines("old", 500), .decode = engines("d", 1), .prefill_policy = policy}).value());
  CHECK(router->dispatcher().route()->prefill->id == "new");
}

TEST_CASE("a dispatcher of another router is assigned over one, and routes for the new router") {
  using Router = DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, Engine>;
  auto gone = std::make_optional(Router::create({.prefill = engines("a", 1), .decode = engines("b", 1)}).value());
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  auto dispatcher = gone->dispatcher();
  gone.reset();
  dispatcher = router.dispatcher();
  CHECK(dispatcher.route()->prefill->id == "p0");
}

TEST_CASE("a metric that throws while it records leaves no lease behind") {
  using Router = DisaggregatedRouter<ThrowingMetricPolicy, RandomPolicy<>, Engine>;
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  CHECK_THROWS_AS(router.route(), int);
  CHECK(in_flight(router, Role::prefill) == 0);
}

TEST_CASE("a policy for the caller's own request type routes requests of that type") {
  using Router = DisaggregatedRouter<OnlyForTenants, OnlyForTenants, Engine>;
  auto router = Router::create({.prefill = engines("p", 2), .decode = engines("d", 3)}).value();
  CHECK(router.route(Tenant{5})->prefill->id == "p1");
  CHECK(router.dispatcher().decode(Tenant{5}).value()->id == "d2");
}

TEST_CASE("no endpoint is eligible: the reason counts each endpoint of the role once") {
  using Router = DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, Engine>;
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 4)}).value();
  auto dispatcher = router.dispatcher();
  CHECK(router.set_health("d0", Health::unhealthy));
  CHECK(router.set_health("d1", Health::unhealthy));
  CHECK(router.set_intake(Role::decode, "d2", Intake::paused));
  CHECK(router.drain(Role::decode, "d3"));
  const pdroute::NoEndpoint expected{.role = Role::decode, .endpoints = 4, .unhealthy = 2, .paused = 1, .draining = 1};
  CHECK(dispatcher.route().error() == expected);
  CHECK(dispatcher.decode().error() == expected);
  CHECK(router.route().error() == expected);

  REQUIRE(router.assign(Role::prefill, Engines{}));
  CHECK(dispatcher.route().error() == pdroute::NoEndpoint{.role = Role::prefill});
  CHECK(dispatcher.prefill().error() == pdroute::NoEndpoint{.role = Role::prefill});
}

TEST_CASE("an endpoint is drained in the middle of a choice, and another one is chosen") {
  using Router = DisaggregatedRouter<ScriptedPolicy, RandomPolicy<>, Engine>;
  std::optional<Router> router;
  std::vector<std::size_t> asked;
  bool policy_drains_last = false;
  ScriptedPolicy policy;
  policy.rule = [&](std::size_t n) -> std::optional<std::size_t> {
    asked.push_back(n);
    // The policy has its candidates. Now another thread drains the endpoint that the policy is about to choose.
    if (n == 3) router->drain(Role::prefill, "p1");
    if (n == 2) router->drain(Role::prefill, "p2");
    if (n == 1 && policy_drains_last) router->drain(Role::prefill, "p0");
    if (n == 0) return std::nullopt;
    return n == 1 ? 0 : 1;
  };
  router.emplace(
      Router::create({.prefill = engines("p", 3), .decode = engines("d", 1), .prefill_policy = policy}).value());
  auto dispatcher = router->dispatcher();

  SECTION("the last one left is reserved") {
    const auto route = dispatcher.route();
    REQUIRE(route);
    CHECK(route->prefill->id == "p0");
    CHECK(asked == std::vector<std::size_t>{3, 2, 1});
  }
  SECTION("none is left: all count as draining") {
    policy_drains_last = true;
    const auto route = dispatcher.route();
    REQUIRE_FALSE(route);
    CHECK(route.error() == pdroute::NoEndpoint{.role = Role::prefill, .endpoints = 3, .draining = 3});
    CHECK(asked == std::vector<std::size_t>{3, 2, 1, 0});
    CHECK(dispatcher.route().error() == route.error());  // the snapshot published since then gives the same reason
  }
}

TEST_CASE("an index out of range counts as declined, and reserves nothing") {
  using Router = DisaggregatedRouter<ScriptedPolicy, RandomPolicy<>, Engine>;
  ScriptedPolicy policy;
  policy.rule = [](std::size_t n) { return std::optional<std::size_t>{n}; };
  auto router =
      Router::create({.prefill = engines("p", 2), .decode = engines("d", 1), .prefill_policy = policy}).value();
  auto dispatcher = router.dispatcher();
  CHECK(dispatcher.route().error() == pdroute::NoEndpoint{.role = Role::prefill, .endpoints = 2, .declined = 2});
  CHECK(in_flight(router, Role::prefill) == 0);
}

TEST_CASE("a policy reads its own facts from a request of the caller's own type") {
  using Router = DisaggregatedRouter<ByShard, ByShard, Engine>;
  auto router = Router::create({.prefill = engines("p", 3), .decode = engines("d", 2)}).value();
  auto route = router.dispatcher().route(Tenant{5});
  CHECK(route->prefill->id == "p2");
  CHECK(route->decode->id == "d1");
}

TEST_CASE("the clock is read at most once per route, and only if a policy asks for the time") {
  struct CountedClock {
    int* reads = nullptr;
    [[nodiscard]] auto now() const {
      ++*reads;
      return std::chrono::steady_clock::time_point{};
    }
  };
  int reads = 0;
  using Timed = DisaggregatedRouter<QpsPolicy<>, QpsPolicy<>, Engine, CountedClock>;
  auto timed = Timed::create({.prefill = engines("p", 2), .decode = engines("d", 2), .clock = {&reads}}).value();
  CHECK(reads == 1);  // the router marks itself by the time of its creation
  reads = 0;
  auto dispatcher = timed.dispatcher();
  CHECK(reads == 0);
  REQUIRE(dispatcher.route());
  CHECK(reads == 1);

  using Timeless = DisaggregatedRouter<RandomPolicy<>, RoundRobinPolicy<>, Engine, CountedClock>;
  auto timeless = Timeless::create({.prefill = engines("p", 2), .decode = engines("d", 2), .clock = {&reads}}).value();
  reads = 0;
  REQUIRE(timeless.dispatcher().route());
  CHECK(reads == 0);
}

TEST_CASE("a dispatcher sees a change at its next call, and releases removed endpoints then or at refresh") {
  struct Watched {
    std::string id;
    std::shared_ptr<int> life;
  };
  using Router = DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, Watched>;
  const auto life = std::make_shared<int>(0);
  auto router =
      Router::create({.prefill = std::vector<Watched>{{"p0", life}}, .decode = std::vector<Watched>{{"d0", nullptr}}})
          .value();
  auto busy = router.dispatcher();
  auto idle = router.dispatcher();
  REQUIRE(router.route());  // creates the router's own dispatcher, too
  REQUIRE(router.assign(Role::prefill, std::vector<Watched>{{"p1", nullptr}}));
  CHECK(busy.route()->prefill->id == "p1");
  CHECK(life.use_count() == 2);  // the idle dispatcher still shows it
  idle.refresh();
  CHECK(life.use_count() == 1);
}

TEST_CASE("dispatchers and leases keep working after the router is destroyed") {
  using Router = DisaggregatedRouter<RandomPolicy<>, RandomPolicy<>, Engine>;
  auto router = std::make_optional(Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value());
  auto dispatcher = std::make_optional(router->dispatcher());
  auto early = router->route();
  router.reset();
  auto late = dispatcher->route();
  REQUIRE(late);
  dispatcher.reset();
  CHECK(early->prefill->id == "p0");
  CHECK(late->decode->id == "d0");
}

TEST_CASE("two routers with the same seed and calls make the same choices") {
  const auto choices = [](std::uint64_t seed) {
    using Router = DisaggregatedRouter<ByDraw, RandomPolicy<>, Engine>;
    auto router =
        Router::create(
            {.prefill = engines("p", 9), .decode = engines("d", 9), .decode_policy = {.seed = seed}, .seed = seed})
            .value();
    auto dispatcher = router.dispatcher();
    std::string ids;
    for (int i = 0; i < 20; ++i) {
      const auto route = dispatcher.route();
      ids += route->prefill->id + route->decode->id;
    }
    return ids;
  };
  CHECK(choices(1) == choices(1));
  CHECK(choices(1) != choices(2));
}
