// SPDX-License-Identifier: Apache-2.0
// Engine reports in a router: requests since the last report, engines without reports, and herding.
#include <chrono>
#include <cstdint>
#include <map>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::EngineReport;
using pdroute::ManualClock;
using pdroute::Role;
using ByRequests = pdroute::LowestCostPolicy<pdroute::ReportedRequests>;
using ByKv = pdroute::LowestCostPolicy<pdroute::ReportedKvUsage>;
using Router = pdroute::DisaggregatedRouter<ByRequests, ByKv, Engine, ManualClock>;

Router router_of(std::size_t each, const ManualClock& clock) {
  return Router::create({.prefill = engines("p", each), .decode = engines("d", each), .clock = clock}).value();
}
EngineReport report_of(std::uint32_t requests, double kv_usage) {
  return {.running = requests, .waiting = 0, .kv_cache = EngineReport::KvCache{.usage = kv_usage, .tokens = 100'000}};
}
void report_all(Router& router, std::size_t each, const EngineReport& report, ManualClock::time_point now) {
  for (std::size_t i = 0; i < each; ++i) {
    CHECK_FALSE(router.report<Role::prefill>("p" + std::to_string(i), report, now));
    CHECK_FALSE(router.report<Role::decode>("d" + std::to_string(i), report, now));
  }
}

struct Shares {
  std::vector<Router::Route> held;
  std::map<std::string, int> prefill;
  std::map<std::string, int> decode;

  void add(Router& router, int requests) {
    auto dispatcher = router.dispatcher();
    for (int i = 0; i < requests; ++i) {
      auto route = dispatcher.route({.prompt_tokens = 10});
      REQUIRE(route);
      ++prefill[std::string(route->prefill.id())];
      ++decode[std::string(route->decode.id())];
      held.push_back(std::move(*route));
    }
  }
};

}  // namespace

TEST_CASE("reports: a thousand requests between two reports spread evenly, without herding") {
  ManualClock clock;
  auto router = router_of(8, clock);
  report_all(router, 8, report_of(3, 0.25), clock.now());
  Shares shares;
  shares.add(router, 1000);
  for (const auto& [id, count] : shares.prefill) CHECK(count == 125);
  for (const auto& [id, count] : shares.decode) CHECK(count == 125);
}

TEST_CASE("reports: a thousand requests by two choices between two reports spread evenly") {
  ManualClock clock;
  using TwoChoices = pdroute::PowerOfTwoChoicesPolicy<pdroute::ReportedRequests>;
  using R = pdroute::DisaggregatedRouter<TwoChoices, TwoChoices, Engine, ManualClock>;
  auto router = R::create({.prefill = engines("p", 8), .decode = engines("d", 8), .clock = clock}).value();
  for (const Engine& engine : engines("p", 8)) {
    CHECK_FALSE(router.report<Role::prefill>(engine.id, report_of(3, 0), clock.now()));
  }
  auto dispatcher = router.dispatcher();
  std::vector<R::Route> held;
  std::map<std::string, int> given;
  for (int i = 0; i < 1000; ++i) {
    held.push_back(dispatcher.route().value());
    ++given[std::string(held.back().prefill.id())];
  }
  for (const auto& [id, count] : given) CHECK(count == Approx(125).margin(6));
}

TEST_CASE("fault: 1000 cold prompts between heartbeats go to one pair") {
  ManualClock clock;
  auto router = router_of(4, clock);
  report_all(router, 4, report_of(50, 0.5), clock.now());
  CHECK_FALSE(router.report<Role::prefill>("p2", report_of(0, 0.5), clock.now()));  // idle, according to its heartbeat
  CHECK_FALSE(router.report<Role::decode>("d1", report_of(50, 0.4), clock.now()));
  Shares shares;
  shares.add(router, 1000);
  // p2 is filled up to the level of the others first: 50 + 950 / 4. d1 is a tenth of 100,000 tokens below the others,
  // which is as much as all of the 1000 requests.
  CHECK(shares.prefill["p2"] == Approx(50 + 950 / 4).margin(1));
  CHECK(shares.prefill["p0"] == Approx(950 / 4).margin(1));
  CHECK(shares.decode["d1"] == Approx(1000).margin(1));
  Shares more;
  more.add(router, 1000);
  CHECK(more.decode["d1"] == Approx(250).margin(1));
}

TEST_CASE("fault: least-load credit cleared at the 10 s poll, not at completion") {
  ManualClock clock;
  auto router = router_of(2, clock);
  report_all(router, 2, report_of(0, 0), clock.now());
  Shares shares;
  shares.add(router, 100);
  // Engines report before a single request has reached them.
  report_all(router, 2, report_of(0, 0), clock.now());
  for (auto& route : shares.held) {
    if (route.prefill.id() == "p0") route.complete();
  }
  for (int i = 0; i < 50; ++i) {
    auto lease = router.prefill();
    CHECK(lease->id() == "p0");  // p1 still has its fifty requests, whatever it reports
    shares.held.push_back({std::move(*lease), {}});
  }
}

TEST_CASE("reports: a request that ends is subtracted before the next report") {
  ManualClock clock;
  auto router = router_of(2, clock);
  Shares shares;
  shares.add(router, 20);
  report_all(router, 2, report_of(10, 0.1), clock.now());  // all of these requests are the router's own
  for (auto& route : shares.held) {
    if (route.prefill.id() == "p1") route.prefill.complete();
  }
  for (int i = 0; i < 10; ++i) {
    auto lease = router.prefill();
    CHECK(lease->id() == "p1");
    shares.held.push_back({std::move(*lease), {}});
  }
}

TEST_CASE("reports: one of eight endpoints never reports, it gets an equal share") {
  ManualClock clock;
  auto router = router_of(8, clock);
  Shares shares;
  for (int heartbeat = 0; heartbeat < 20; ++heartbeat) {
    report_all(router, 7, report_of(30, 0.3), clock.now());
    shares.held.clear();
    shares.add(router, 400);
    clock.advance(5s);
  }
  CHECK(shares.prefill["p7"] == Approx(1000).epsilon(0.1));
  CHECK(shares.decode["d7"] == Approx(1000).epsilon(0.1));
}

TEST_CASE("reports: a new endpoint joins seven others, it gets an equal share") {
  ManualClock clock;
  auto router = router_of(7, clock);
  report_all(router, 7, report_of(30, 0.3), clock.now());
  REQUIRE(router.assign(Role::prefill, engines("p", 8)));
  REQUIRE(router.assign(Role::decode, engines("d", 8)));
  Shares shares;
  shares.add(router, 1000);
  CHECK(shares.prefill["p7"] == Approx(125).epsilon(0.1));
  CHECK(shares.decode["d7"] == Approx(125).epsilon(0.1));
}

TEST_CASE("reports: a report with a future time counts as of now, and blocks no later one") {
  ManualClock clock;
  auto router = router_of(2, clock);
  CHECK_FALSE(router.report<Role::prefill>("p0", report_of(200, 0), clock.now() + 1h));
  CHECK_FALSE(router.report<Role::prefill>("p1", report_of(100, 0), clock.now()));
  CHECK(router.prefill()->id() == "p1");
  clock.advance(1s);
  CHECK_FALSE(router.report<Role::prefill>("p0", report_of(0, 0), clock.now()));
  CHECK(router.prefill()->id() == "p0");
}

TEST_CASE("reports: an unknown id or an invalid value is refused, and the error names the rule") {
  ManualClock clock;
  auto router = router_of(1, clock);
  CHECK(router.report<Role::prefill>("d0", report_of(1, 0), clock.now())->text() ==
        "an id must name an endpoint of the role: d0");
  const auto error = router.report<Role::decode>("d0", report_of(1, 1.5), clock.now());
  REQUIRE(error);
  CHECK(error->rule == pdroute::ConfigError::Rule::kv_cache_in_range);

  using R = pdroute::DisaggregatedRouter<ByRequests, ByRequests, Engine>;
  const auto refused = R::create({.prefill_policy = {{.reports = {.stale_after = -1s}}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().rule == pdroute::ConfigError::Rule::stale_after_in_range);
}

TEST_CASE("reports: a report of which the role reads nothing is refused, and nothing has changed") {
  ManualClock clock;
  using ByQueue = pdroute::LowestCostPolicy<pdroute::ReportedQueue>;
  using R = pdroute::DisaggregatedRouter<ByQueue, ByKv, Engine, ManualClock>;
  auto router = R::create({.prefill = engines("p", 2), .decode = engines("d", 2), .clock = clock}).value();
  const auto refused = [&]<Role role>(std::integral_constant<Role, role>, const char* id, const EngineReport& report) {
    const auto error = router.report<role>(id, report, clock.now());
    return error && error->rule == pdroute::ConfigError::Rule::report_read;
  };
  constexpr std::integral_constant<Role, Role::prefill> prefill;
  constexpr std::integral_constant<Role, Role::decode> decode;
  CHECK(refused(prefill, "p0", {}));
  CHECK(refused(prefill, "p0", {.running = 900}));
  CHECK(refused(prefill, "p0", {.kv_cache = EngineReport::KvCache{1, 1000}}));
  CHECK(refused(decode, "d0", {}));
  CHECK(refused(decode, "d0", {.running = 900, .waiting = 900}));
  CHECK_FALSE(refused(prefill, "p0", report_of(900, 1)));  // one figure of several is enough
  CHECK_FALSE(refused(decode, "d0", report_of(900, 1)));
  CHECK(router.report<Role::prefill>("d7", {}, clock.now())->rule == pdroute::ConfigError::Rule::id_known);
}

TEST_CASE("reports: a role that only counts reports takes every figure, and an empty report still says nothing") {
  ManualClock clock;
  using Counted = pdroute::WithMetrics<pdroute::RandomPolicy<>, pdroute::EngineReports>;
  using R = pdroute::DisaggregatedRouter<Counted, Counted, Engine, ManualClock>;
  auto router = R::create({.prefill = engines("p", 1), .decode = engines("d", 1), .clock = clock}).value();
  CHECK_FALSE(router.report<Role::prefill>("p0", {.running = 1}, clock.now()));
  CHECK_FALSE(router.report<Role::prefill>("p0", {.kv_cache = EngineReport::KvCache{0.5, 10}}, clock.now()));
  CHECK(router.report<Role::prefill>("p0", {}, clock.now()));
}

TEST_CASE("reports: a report that was stale on arrival is refused, one that is as old as allowed counts") {
  ManualClock clock;
  auto router = router_of(2, clock);
  clock.advance(100s);
  CHECK_FALSE(router.report<Role::prefill>("p1", report_of(1, 0), clock.now()));
  CHECK_FALSE(router.report<Role::prefill>("p0", report_of(9, 0), clock.now() - 60s));
  CHECK(router.prefill()->id() == "p1");
  const auto error = router.report<Role::prefill>("p1", report_of(9, 0), clock.now() - 61s);
  REQUIRE(error);
  CHECK(error->rule == pdroute::ConfigError::Rule::report_fresh);
}

TEST_CASE("reports: `running` alone counts, and `waiting` may come from another source") {
  ManualClock clock;
  auto router = router_of(2, clock);
  CHECK_FALSE(router.report<Role::prefill>("p0", {.running = 100}, clock.now()));
  CHECK_FALSE(router.report<Role::prefill>("p1", {.running = 10}, clock.now()));
  CHECK(router.prefill()->id() == "p1");
  CHECK_FALSE(router.report<Role::prefill>("p0", {.waiting = 0}, clock.now()));
  CHECK_FALSE(router.report<Role::prefill>("p1", {.waiting = 200}, clock.now()));
  CHECK(router.prefill()->id() == "p0");
}

TEST_CASE("reports: all own requests end, a burst before the next report spreads evenly over the idle engines") {
  const auto burst = []<class Policy>(const Policy& /*policy*/) {
    ManualClock clock;
    using R = pdroute::DisaggregatedRouter<Policy, Policy, Engine, ManualClock>;
    auto router = R::create({.prefill = engines("p", 2), .decode = engines("d", 2), .clock = clock}).value();
    auto dispatcher = router.dispatcher();
    std::vector<typename R::DecodeLease> held;
    for (const auto& [id, number] : {std::pair{"d0", 50U}, std::pair{"d1", 10U}}) {
      const std::string_view only[] = {id};
      for (std::uint32_t i = 0; i < number; ++i)
        held.push_back(dispatcher.decode({.prompt_tokens = 100}, {.allowed = only}).value());
      CHECK_FALSE(router.template report<Role::decode>(id, report_of(number, 0), clock.now()));
    }
    for (auto& lease : held) lease.complete();
    std::map<std::string, int> given;
    for (int i = 0; i < 60; ++i) {
      held.push_back(dispatcher.decode({.prompt_tokens = 100}).value());
      ++given[std::string(held.back().id())];
    }
    return given;
  };
  const std::map<std::string, int> even{{"d0", 30}, {"d1", 30}};
  CHECK(burst(pdroute::LowestCostPolicy<pdroute::ReportedQueue>{}) == even);
  CHECK(burst(ByRequests{}) == even);
  CHECK(burst(ByKv{}) == even);
}

TEST_CASE("reports: the clock steps back by an hour, the next reports count at once") {
  ManualClock clock;
  auto router = router_of(2, clock);
  clock.advance(2h);
  report_all(router, 2, report_of(0, 0), clock.now());
  clock.set(1h);
  CHECK_FALSE(router.report<Role::prefill>("p0", report_of(9, 0), clock.now()));
  CHECK_FALSE(router.report<Role::prefill>("p1", report_of(1, 0), clock.now()));
  CHECK(router.prefill()->id() == "p1");
}

TEST_CASE("reports: an endpoint is removed and returns, it counts as one without a report") {
  ManualClock clock;
  auto router = router_of(2, clock);
  report_all(router, 2, report_of(5, 0), clock.now());
  CHECK_FALSE(router.report<Role::prefill>("p1", report_of(90, 0), clock.now()));
  CHECK(router.prefill()->id() == "p0");
  CHECK(router.prefill()->id() == "p0");
  REQUIRE(router.assign(Role::prefill, engines("p", 1)));
  REQUIRE(router.assign(Role::prefill, engines("p", 2)));
  CHECK(router.prefill()->id() == "p1");  // counts as typical, like p0, and it is its turn
}
