// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/detail/explain.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/chosen.hpp"
#include "router/support.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::Role;
template <class Prefill, class Decode = Prefill>
using Router = pdroute::DisaggregatedRouter<Prefill, Decode, Node, pdroute::ManualClock>;
using RoundRobin = pdroute::RoundRobinPolicy<>;
using Costs = std::vector<std::pair<std::string, double>>;

template <class Policy>
auto router_of(std::size_t prefill, std::size_t decode, Policy policy = {}) {
  return Router<Policy>::create({.prefill = nodes("p", prefill),
                                 .decode = nodes("d", decode),
                                 .prefill_policy = policy,
                                 .decode_policy = policy})
      .value();
}

/// The explanation of the member `id`.
const auto& of(const auto& role, std::string_view id) {
  for (const auto& endpoint : role.endpoints) {
    if (endpoint.id == id) return endpoint;
  }
  FAIL("no member " << id);
  return role.endpoints.front();
}
Costs costs(const auto& endpoint) {
  Costs costs;
  for (const auto& cost : endpoint.costs) costs.emplace_back(cost.name, cost.value);
  return costs;
}

/// A lease of the endpoint `id`.
auto lease_of(auto& router, Role role, std::string_view id, std::uint64_t tokens = 0) {
  using R = std::remove_reference_t<decltype(router)>;
  const auto accept = [id](const Node& node) { return node.id == id; };
  std::optional<typename R::PrefillLease> prefill;
  std::optional<typename R::DecodeLease> decode;
  if (role == Role::prefill) {
    prefill = router.prefill({.prompt_tokens = tokens}, {.accept = accept}).value();
  } else {
    decode = router.decode({.prompt_tokens = tokens}, {.accept = accept}).value();
  }
  return std::pair{std::move(prefill), std::move(decode)};
}

/// Fills an endpoint for as long as the returned leases are held.
auto fill(auto& router, Role role, std::string_view id) {
  auto held = lease_of(router, role, id);
  REQUIRE_FALSE(router.set_capacity(role, id, {.requests = 1}));
  return held;
}

}  // namespace

TEST_CASE("explain: members are listed in registration order, each with the first reason that rules it out") {
  Nodes list = nodes("d", 9);
  list[5].group = 'b';
  auto router = Router<RoundRobin>::create({.prefill = nodes("p", 1), .decode = list}).value();
  router.set_health("d0", pdroute::Health::unhealthy);
  router.set_intake(Role::decode, "d1", pdroute::Intake::paused);
  router.set_intake(Role::decode, "d0", pdroute::Intake::paused);  // unhealthy counts before paused
  router.drain(Role::decode, "d2");
  const auto filled = fill(router, Role::decode, "d6");
  const auto life = [&](const char* id) { return router.endpoint(Role::decode, id)->key; };
  const std::vector<pdroute::FailedEndpoint> failed{{life("d3"), pdroute::FailureKind::bad_response},
                                                    {life("d7"), pdroute::FailureKind::overloaded}};
  const auto held = lease_of(router, Role::decode, "d8");
  const auto explanation =
      router.explain({}, {.decode = {.exclude = failed, .accept = [](const Node& node) { return node.id != "d4"; }},
                          .compatible = [](const Node& p, const Node& d) { return p.group == d.group; }});
  const std::vector<std::string> reasons{"unhealthy",    "paused", "draining", "excluded", "disallowed",
                                         "incompatible", "full",   "full",     ""};
  const auto& decode = explanation.decode;
  REQUIRE(decode.endpoints.size() == reasons.size());
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    INFO(i);
    CHECK(decode.endpoints[i].id == "d" + std::to_string(i));
    CHECK(decode.endpoints[i].ruled_out == reasons[i]);
    CHECK(decode.endpoints[i].incarnation == i + 1);
    CHECK(decode.endpoints[i].in_flight == (i == 6 || i == 8 ? 1U : 0U));
    CHECK(decode.endpoints[i].chosen == (i == 8));
  }
  CHECK(decode.role == Role::decode);
  CHECK(decode.chosen() == &decode.endpoints[8]);
  CHECK(decode.why == "the only one left");
  CHECK_FALSE(explanation.refusal);
}

TEST_CASE("explain: each reason has the name that NoEndpoint prints for it") {
  using pdroute::NoEndpoint;
  for (const auto reason : {&NoEndpoint::unhealthy, &NoEndpoint::paused, &NoEndpoint::draining, &NoEndpoint::excluded,
                            &NoEndpoint::disallowed, &NoEndpoint::incompatible, &NoEndpoint::too_large,
                            &NoEndpoint::full, &NoEndpoint::declined}) {
    NoEndpoint one{.endpoints = 1};
    one.*reason = 1;
    CHECK(one.text() == "no prefill endpoint: 1 " + std::string(pdroute::detail::name_of(reason)) + " of 1");
  }
  CHECK(pdroute::detail::name_of(&pdroute::NoEndpoint::unhealthy) == "unhealthy");
  CHECK(pdroute::detail::name_of(nullptr).empty());
}

TEST_CASE("explain: the policy declines, every endpoint that it could choose is shown as declined") {
  bool declines = false;
  Scripted decode;
  decode.rule = [&](std::size_t) { return declines ? std::nullopt : std::optional<std::size_t>{0}; };
  auto router =
      Router<Scripted>::create({.prefill = nodes("p", 2), .decode = nodes("d", 3), .decode_policy = decode}).value();
  const auto filled = fill(router, Role::decode, "d1");
  declines = true;
  const auto explanation = router.explain();
  CHECK(of(explanation.decode, "d0").ruled_out == "declined");
  CHECK(of(explanation.decode, "d1").ruled_out == "full");
  CHECK(of(explanation.decode, "d2").ruled_out == "declined");
  CHECK(explanation.decode.why == "none: 1 full, 2 declined of 3");
  CHECK(explanation.prefill.why == "none, because there is no decode endpoint");
  CHECK(explanation.prefill.chosen() == nullptr);
  CHECK(explanation.refusal == router.route().error());
  declines = false;
  CHECK(chosen(router.explain().decode).id == "d0");
  CHECK(router.explain().decode.why == "the policy's choice");
}

TEST_CASE("explain: one role is empty, the other names it and still shows full endpoints and costs") {
  const Role empty = GENERATE(Role::prefill, Role::decode);
  const std::size_t p = empty == Role::prefill ? 0 : 2;
  auto router = router_of<pdroute::LeastRequestPolicy>(p, 2 - p);
  const Role there = empty == Role::prefill ? Role::decode : Role::prefill;
  const std::string first = there == Role::prefill ? "p0" : "d0";
  const auto filled = fill(router, there, first);
  const auto explanation = router.explain();
  const auto& missing = empty == Role::prefill ? explanation.prefill : explanation.decode;
  const auto& other = empty == Role::prefill ? explanation.decode : explanation.prefill;
  CHECK(missing.why == "none: there are none");
  CHECK(missing.endpoints.empty());
  CHECK(other.why == "none, because there is no " + std::string(to_string(empty)) + " endpoint");
  CHECK(other.endpoints[0].ruled_out == "full");
  CHECK(other.endpoints[1].ruled_out.empty());
  CHECK(costs(other.endpoints[1]) == Costs{{"in_flight", 0}});
  CHECK(explanation.refusal == pdroute::NoEndpoint{.role = empty});
}

TEST_CASE("explain: the costs shown are those that the policy compares") {
  SECTION("requests in flight") {
    auto router = router_of<pdroute::LeastRequestPolicy>(1, 3);
    const auto one = lease_of(router, Role::decode, "d0");
    const auto two = lease_of(router, Role::decode, "d0");
    const auto three = lease_of(router, Role::decode, "d2");
    const auto decode = router.explain().decode;
    CHECK(costs(of(decode, "d0")) == Costs{{"in_flight", 2}});
    CHECK(costs(of(decode, "d1")) == Costs{{"in_flight", 0}});
    CHECK(costs(of(decode, "d2")) == Costs{{"in_flight", 1}});
    CHECK(chosen(decode).id == "d1");
    CHECK(decode.why == "lowest cost of 3");
  }
  SECTION("tokens and KV tokens") {
    auto router = Router<pdroute::LeastTokensPolicy, pdroute::LeastKvPolicy>::create(
                      {.prefill = nodes("p", 2), .decode = nodes("d", 2)})
                      .value();
    const auto prompt = lease_of(router, Role::prefill, "p0", 812);
    const auto answer = lease_of(router, Role::decode, "d1", 90);
    const auto explanation = router.explain();
    CHECK(costs(of(explanation.prefill, "p0")) == Costs{{"tokens", 812}});
    CHECK(costs(of(explanation.prefill, "p1")) == Costs{{"tokens", 0}});
    CHECK(costs(of(explanation.decode, "d0")) == Costs{{"kv_tokens", 0}});
    CHECK(costs(of(explanation.decode, "d1")) == Costs{{"kv_tokens", 90}});
  }
  SECTION("arrivals within the window") {
    pdroute::ManualClock clock;
    auto router =
        Router<pdroute::QpsPolicy<>>::create({.prefill = nodes("p", 1), .decode = nodes("d", 2), .clock = clock})
            .value();
    static_cast<void>(lease_of(router, Role::decode, "d0"));
    static_cast<void>(lease_of(router, Role::decode, "d0"));
    CHECK(costs(of(router.explain().decode, "d0")) == Costs{{"arrivals", 2}});
    CHECK(costs(of(router.explain().decode, "d1")) == Costs{{"arrivals", 0}});
    CHECK(router.explain().decode.why == "lowest cost of 2");
    clock.advance(62s);
    CHECK(costs(of(router.explain().decode, "d0")) == Costs{{"arrivals", 0}});
    CHECK(router.explain().decode.why == "lowest cost of 2, shared by 2: its turn");
  }
  SECTION("each part of a combination, and the sum") {
    using Parts = pdroute::Lexicographic<pdroute::QueuedTokens, pdroute::InFlight>;
    using Sum = pdroute::WeightedSum<pdroute::InFlight, pdroute::HeldKvTokens>;
    auto router = Router<pdroute::LowestCostPolicy<Parts>, pdroute::LowestCostPolicy<Sum>>::create(
                      {.prefill = nodes("p", 2), .decode = nodes("d", 2), .decode_policy = {Sum{{}, {1, 0.25}}}})
                      .value();
    const auto prompt = lease_of(router, Role::prefill, "p0", 7);
    const auto answer = lease_of(router, Role::decode, "d0", 10);
    const auto explanation = router.explain();
    CHECK(costs(of(explanation.prefill, "p0")) == Costs{{"tokens", 7}, {"in_flight", 1}});
    CHECK(costs(of(explanation.decode, "d0")) == Costs{{"in_flight", 1}, {"kv_tokens", 10}, {"sum", 3.5}});
    CHECK(costs(of(explanation.decode, "d1")) == Costs{{"in_flight", 0}, {"kv_tokens", 0}, {"sum", 0}});
  }
  SECTION("a lambda, which is shown under the name cost") {
    using ById = pdroute::LowestCostPolicy<decltype([](const auto& c) { return c.endpoint().id == "d1" ? 1.5 : 2.0; })>;
    const auto decode = router_of<ById>(1, 2).explain().decode;
    CHECK(costs(of(decode, "d0")) == Costs{{"cost", 2}});
    CHECK(costs(of(decode, "d1")) == Costs{{"cost", 1.5}});
  }
}

TEST_CASE("explain: two of six are drawn at random, only these two have costs, and one of them is chosen") {
  auto router = router_of<pdroute::PowerOfTwoChoicesPolicy<>>(2, 6);
  auto dispatcher = router.dispatcher();
  std::vector<pdroute::Route<decltype(router)::PrefillLease, decltype(router)::DecodeLease>> held;
  std::map<std::string, int> reasons;
  for (int i = 0; i < 100; ++i) {
    const auto explanation = dispatcher.explain();
    std::optional<double> other;
    std::size_t compared = 0;
    for (const auto& endpoint : explanation.decode.endpoints) {
      compared += endpoint.costs.size();
      if (!endpoint.chosen && !endpoint.costs.empty()) other = endpoint.costs[0].value;
    }
    REQUIRE(compared == 2);
    REQUIRE(chosen(explanation.decode).costs.size() == 1);
    CHECK(chosen(explanation.decode).costs[0].value <= other);
    CHECK((explanation.decode.why == "lowest cost of 2 drawn at random, shared by 2: drawn first") ==
          (chosen(explanation.decode).costs[0].value == other));
    CHECK(explanation.prefill.why.starts_with("lowest cost of 2"));
    CHECK(explanation.prefill.why.find("at random") == std::string::npos);  // there are only two
    ++reasons[explanation.decode.why];
    held.push_back(dispatcher.route().value());
  }
  CHECK(reasons.size() == 2);
}

TEST_CASE("explain: each policy says in a few words how it has chosen") {
  CHECK(router_of<RoundRobin>(2, 2).explain().prefill.why == "its turn");
  CHECK(router_of<RoundRobin>(3, 2)
            .explain({}, {.prefill = {.accept = [](const Node& node) { return node.id != "p0"; }}})
            .prefill.why == "drawn at random");
  CHECK(router_of<pdroute::RandomPolicy<>>(2, 2).explain().decode.why == "drawn at random");
  CHECK(router_of<pdroute::RandomPolicy<>>(2, 1).explain().decode.why == "the only one left");
  CHECK(router_of<pdroute::WithMetrics<RoundRobin, pdroute::Tokens>>(2, 2).explain().prefill.why == "its turn");
  using Any = pdroute::AnyPolicy<RoundRobin, pdroute::RandomPolicy<>, pdroute::LeastRequestPolicy>;
  CHECK(router_of(2, 2, Any{RoundRobin{}}).explain().decode.why == "its turn");
  CHECK(router_of(2, 2, Any{pdroute::RandomPolicy<>{}}).explain().decode.why == "drawn at random");
  const auto least = router_of(2, 2, Any{pdroute::LeastRequestPolicy{}}).explain().decode;
  CHECK(least.why == "lowest cost of 2, shared by 2: its turn");
  CHECK(costs(least.endpoints[0]) == Costs{{"in_flight", 0}});
  using First = pdroute::LowestCostPolicy<pdroute::InFlight, pdroute::all_candidates, pdroute::TieRule::first>;
  CHECK(router_of<First>(2, 2).explain().decode.why == "lowest cost of 2, shared by 2: the first");
  using Drawn = pdroute::QpsPolicy<pdroute::TieRule::random>;
  CHECK(router_of<Drawn>(2, 3).explain().decode.why == "lowest cost of 3, shared by 3: drawn at random");
}

TEST_CASE("explain: a choice by weight, key or session says so") {
  CHECK(router_of<pdroute::WeightedRoundRobinPolicy>(2, 2).explain().prefill.why == "its turn");
  CHECK(router_of<pdroute::WeightedRoundRobinPolicy>(3, 2)
            .explain({}, {.prefill = {.accept = [](const Node& node) { return node.id != "p0"; }}})
            .prefill.why == "drawn at random, by weight");

  const pdroute::Request keyed{.key = pdroute::key("u42")};
  auto by_key = router_of(4, 1, pdroute::RendezvousPolicy<RoundRobin>{});
  CHECK(by_key.explain().prefill.why == "its turn");
  CHECK(by_key.explain(keyed).prefill.why == "the home of the request's key");
  const auto held = by_key.prefill(keyed).value();
  CHECK(by_key.explain(keyed).prefill.why == "next in the key's order: its home has its share");

  const auto sessions = std::make_shared<pdroute::SessionTable>();
  pdroute::SessionAffinityPolicy<RoundRobin> sticky;
  sticky.sessions = sessions;
  auto by_session = router_of(4, 1, sticky);
  CHECK(by_session.explain(keyed).prefill.why == "its turn");
  const auto lease = by_session.prefill(keyed).value();
  sessions->bind(*keyed.key, lease, pdroute::ManualClock{}.now());
  CHECK(by_session.explain(keyed).prefill.why == "it serves the session");
  CHECK(chosen(by_session.explain(keyed).prefill).id == lease.id());
}

TEST_CASE("explain: measured and reported costs are shown by name") {
  CHECK(costs(router_of<pdroute::PeakEwmaPolicy>(2, 2).explain().prefill.endpoints[0]) == Costs{{"peak_ewma", 1}});
  using pdroute::LowestCostPolicy;
  using Two = pdroute::Lexicographic<pdroute::MeanLatency, pdroute::MeanTimeToFirstToken>;
  CHECK(costs(router_of<LowestCostPolicy<Two>>(2, 2).explain().prefill.endpoints[0]) ==
        Costs{{"latency", 1}, {"time_to_first_token", 1}});
  using Three = pdroute::Lexicographic<pdroute::ReportedRequests, pdroute::ReportedQueue, pdroute::ReportedKvUsage>;
  auto router = router_of<LowestCostPolicy<Three>>(2, 2);
  CHECK_FALSE(router.report<Role::prefill>(
      "p0", {.running = 3, .waiting = 2, .kv_cache = pdroute::EngineReport::KvCache{0.5, 100}}, {}));
  CHECK(costs(router.explain().prefill.endpoints[0]) ==
        Costs{{"requests", 5}, {"queue_depth", 2}, {"kv_cache_usage", 0.5}});
}

TEST_CASE("explain: a full endpoint that was compared keeps its costs, and the next choice is explained") {
  using ById = pdroute::LowestCostPolicy<decltype([](const auto& c) { return c.endpoint().id; })>;
  auto router = router_of<ById>(1, 3);
  CHECK(chosen(router.explain().decode).id == "d0");
  const auto filled = fill(router, Role::decode, "d2");
  // d2 was compared but not reserved, so it does not show as full.
  CHECK(router.explain().decode.why == "lowest cost of 3");
  const auto filled_too = fill(router, Role::decode, "d0");
  REQUIRE_FALSE(router.set_capacity(Role::decode, "d2", {}));
  const auto decode = router.explain().decode;
  CHECK(of(decode, "d0").ruled_out == "full");
  CHECK(chosen(decode).id == "d1");
  CHECK(decode.why == "lowest cost of 2");
  CHECK(costs(decode.endpoints[1]).empty());  // a cost that is text is not shown

  auto counted = router_of<pdroute::LeastRequestPolicy>(1, 2);
  const auto filled_here = fill(counted, Role::decode, "d1");
  CHECK(of(counted.explain().decode, "d1").ruled_out == "full");
  CHECK(costs(of(counted.explain().decode, "d1")) == Costs{{"in_flight", 1}});
}

TEST_CASE("explain: the members change after a dispatcher's last route, it explains the current ones") {
  auto router = router_of<RoundRobin>(2, 1);
  auto dispatcher = router.dispatcher();
  REQUIRE(router.assign(Role::decode, nodes("e", 2)));
  router.set_health("p0", pdroute::Health::unhealthy);
  const auto explanation = std::as_const(dispatcher).explain();
  CHECK(explanation.decode.endpoints.size() == 2);
  CHECK(chosen(explanation.decode).id == "e0");
  CHECK(chosen(explanation.prefill).id == "p1");
}

TEST_CASE("explain: the clock is read once if a policy asks for the time, otherwise not at all") {
  struct CountingClock {
    using time_point = pdroute::ManualClock::time_point;
    int* readings = nullptr;
    [[nodiscard]] time_point now() const {
      ++*readings;
      return {};
    }
  };
  int readings = 0;
  using Asking = pdroute::DisaggregatedRouter<pdroute::QpsPolicy<>, pdroute::QpsPolicy<>, Node, CountingClock>;
  auto asking = Asking::create({.prefill = nodes("p", 2), .decode = nodes("d", 2), .clock = {&readings}}).value();
  readings = 0;  // creating the router reads it once
  static_cast<void>(asking.explain());
  CHECK(readings == 1);
  using Timeless = pdroute::DisaggregatedRouter<RoundRobin, RoundRobin, Node, CountingClock>;
  auto timeless = Timeless::create({.prefill = nodes("p", 2), .decode = nodes("d", 2), .clock = {&readings}}).value();
  readings = 0;
  static_cast<void>(timeless.explain());
  CHECK(readings == 0);
}
