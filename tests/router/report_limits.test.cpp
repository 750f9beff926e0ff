// SPDX-License-Identifier: Apache-2.0
// Limits on what engines report: an endpoint that has reached one counts as full.
#include <chrono>
#include <cstdint>
#include <memory>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::EngineReport;
using pdroute::EngineReports;
using pdroute::ManualClock;
using pdroute::Role;
using ByRequests = pdroute::LowestCostPolicy<pdroute::ReportedRequests>;

/// Decode by `Policy`; prefill takes any.
template <class Policy>
struct Gateway {
  using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, Policy, Engine, ManualClock>;
  using Lease = typename Router::DecodeLease;

  explicit Gateway(const Policy& policy, std::size_t number = 2)
      : router(
            Router::create(
                {.prefill = engines("p", 1), .decode = engines("d", number), .decode_policy = policy, .clock = clock})
                .value()),
        dispatcher(router.dispatcher()) {}

  void report(std::string_view id, const EngineReport& what) {
    CHECK_FALSE(router.template report<Role::decode>(id, what, clock.now()));
  }
  /// Where the next request goes and ends at once; or why nowhere.
  std::string next() {
    auto lease = dispatcher.decode();
    return lease ? std::string(lease->id()) : lease.error().text();
  }

  ManualClock clock;
  Router router;
  typename Router::Dispatcher dispatcher;
};

ByRequests by_requests(const EngineReports::Options& options) {
  return {{.reports = options}};
}
/// A policy that reads no report, with limits on what is reported.
struct InTurn : pdroute::RoundRobinPolicy<> {
  EngineReports::Options limits = {};

  using Load = EngineReports;
  [[nodiscard]] Load::Options load_options() const { return limits; }
};

/// A policy that chooses none.
struct Declines {
  using Load = EngineReports;
  [[nodiscard]] static Load::Options load_options() { return {.max_waiting = 1}; }
  static auto select(const auto& /*candidates*/, const auto& /*request*/, auto& /*context*/)
      -> std::optional<std::size_t> {
    return std::nullopt;
  }
};

}  // namespace

TEST_CASE("report limits: an engine over a limit is not chosen, and if all are, they count as full") {
  Gateway gateway{by_requests({.max_requests = 1000})};
  gateway.report("d0", {.running = 500, .waiting = 900});
  gateway.report("d1", {.running = 500, .waiting = 400});
  for (int i = 0; i < 10; ++i) CHECK(gateway.next() == "d1");
  gateway.report("d1", {.running = 500, .waiting = 900});
  const auto refused = gateway.dispatcher.decode();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text() == "no decode endpoint: 2 full of 2");
  CHECK(refused.error().overloaded());
  const auto route = gateway.dispatcher.route();
  REQUIRE_FALSE(route);
  CHECK(route.error() == refused.error());
  CHECK(gateway.router.refusals(Role::decode).full == 2);
  CHECK(gateway.router.endpoint(Role::prefill, "p0")->in_flight == 0);
}

TEST_CASE("report limits: limits on waiting requests and on KV usage, with a policy that reads no reports") {
  InTurn waiting;
  waiting.limits.max_waiting = 4;
  Gateway by_queue{waiting};
  by_queue.report("d1", {.waiting = 4});
  CHECK(by_queue.next() == "d0");
  CHECK(by_queue.next() == "d0");
  InTurn usage;
  usage.limits.max_kv_usage = 0.9;
  Gateway by_kv{usage};
  by_kv.report("d0", {.kv_cache = EngineReport::KvCache{0.95, 1000}});
  CHECK(by_kv.next() == "d1");
  CHECK(by_kv.next() == "d1");
}

TEST_CASE("report limits: figures that are no longer renewed limit nothing") {
  InTurn policy;
  policy.limits = {.stale_after = 30s, .max_requests = 10};
  Gateway gateway{policy};
  gateway.report("d0", {.running = 10, .waiting = 0});
  gateway.report("d1", {.running = 10, .waiting = 0});
  gateway.clock.advance(30s);
  CHECK(gateway.next() == "no decode endpoint: 2 full of 2");
  gateway.clock.advance(1ns);
  CHECK(gateway.next() == "d0");
  CHECK(gateway.next() == "d1");
}

TEST_CASE("report limits: a burst between two reports stops at the limit on requests, and goes on as requests end") {
  Gateway gateway{by_requests({.max_requests = 64})};
  gateway.report("d0", {.running = 60, .waiting = 0});
  gateway.report("d1", {.running = 50, .waiting = 0});
  std::vector<Gateway<ByRequests>::Lease> held;
  for (;;) {
    auto lease = gateway.dispatcher.decode();
    if (!lease) break;
    held.push_back(std::move(*lease));
  }
  CHECK(held.size() == 4 + 14);
  CHECK(gateway.router.endpoint(Role::decode, "d0")->in_flight == 4);
  CHECK(gateway.router.endpoint(Role::decode, "d1")->in_flight == 14);
  const std::string freed(held.back().id());
  held.pop_back();
  CHECK(gateway.next() == freed);
}

TEST_CASE("report limits: requests with a filter and homes of sessions keep to the limits") {
  Gateway gateway{by_requests({.max_requests = 10})};
  gateway.report("d0", {.running = 10, .waiting = 0});
  const std::string_view only[] = {"d0"};
  const auto refused = gateway.dispatcher.decode({}, {.allowed = only});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().full == 1);
  CHECK(refused.error().disallowed == 1);

  using Sticky = pdroute::SessionAffinityPolicy<ByRequests>;
  const auto sessions = std::make_shared<pdroute::SessionTable>();
  Sticky policy;
  policy.sessions = sessions;
  policy.fallback = by_requests({.max_requests = 10});
  Gateway sticky{policy};
  const pdroute::Request request{.key = pdroute::key("session")};
  auto first = sticky.dispatcher.decode(request).value();
  sessions->bind(*request.key, first, sticky.clock.now());
  const std::string home(first.id());
  first.complete();
  CHECK(sticky.dispatcher.decode(request)->id() == home);
  sticky.report(home, {.running = 10, .waiting = 0});
  CHECK(sticky.dispatcher.decode(request)->id() != home);
}

TEST_CASE("report limits: a policy of one's own that declines, the endpoints at a limit count as full") {
  Gateway gateway{Declines{}};
  gateway.report("d1", {.waiting = 1});
  CHECK(gateway.next() == "no decode endpoint: 1 full, 1 declined of 2");
}

TEST_CASE("report limits: an explanation says full where a route would, and chooses as a route does") {
  Gateway gateway{by_requests({.stale_after = 10s, .max_requests = 8}), 4};
  pdroute::SplitMix64 random{7};
  int refused = 0;
  int full = 0;
  for (int i = 0; i < 2000; ++i) {
    gateway.clock.advance(100ms);
    const std::string id = "d" + std::to_string(pdroute::below(random, 4));
    if (pdroute::below(random, 4) == 0) gateway.report(id, {.running = pdroute::below(random, 12), .waiting = 0});
    const auto told = gateway.dispatcher.explain().decode;
    std::string chosen;
    for (const auto& endpoint : told.endpoints) {
      if (endpoint.chosen) chosen = endpoint.id;
      full += endpoint.ruled_out == "full" ? 1 : 0;
    }
    const auto lease = gateway.dispatcher.decode();
    CHECK(chosen == (lease ? std::string(lease->id()) : ""));
    refused += lease ? 0 : 1;
  }
  CHECK(refused > 10);
  CHECK(full > 100);
}

TEST_CASE("report limits: impossible limits are refused when the router is made") {
  using R = Gateway<ByRequests>::Router;
  const auto refused = R::create({.decode_policy = by_requests({.max_kv_usage = 95})});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().rule == pdroute::ConfigError::Rule::report_limits_in_range);
}
