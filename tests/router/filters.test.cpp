// SPDX-License-Identifier: Apache-2.0
// Filters of one call, through the router: which endpoints are left, and the reason if none is.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <pdroute/pdroute.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::NoEndpoint;
using pdroute::Role;
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;
using pdroute::WithMetrics;
using Router = pdroute::DisaggregatedRouter<RoundRobinPolicy<>, RoundRobinPolicy<>, Node>;
using Ids = std::vector<std::string_view>;

Router three_by_three() {
  return Router::create({.prefill = nodes("p", 3), .decode = nodes("d", 3)}).value();
}

}  // namespace

TEST_CASE("each part of a filter narrows its own leg, in calls for one leg or both, with or without dispatcher") {
  auto router = three_by_three();
  auto dispatcher = router.dispatcher();
  const auto is = [](const char* id) { return [id](const Node& node) { return node.id == id; }; };
  const auto p1 = is("p1");
  const auto d2 = is("d2");
  const Ids only_d1{"d1", "unknown"};
  for (int i = 0; i < 3; ++i) {
    CHECK(dispatcher.prefill({}, {.accept = p1})->id() == "p1");
    CHECK(router.prefill({}, {.accept = p1})->id() == "p1");
    CHECK(dispatcher.decode({}, {.allowed = only_d1})->id() == "d1");
    CHECK(router.decode({}, {.allowed = only_d1})->id() == "d1");
    CHECK(names(dispatcher.route({}, {.prefill = {.accept = p1}, .decode = {.accept = d2}})) == "p1 d2");
    CHECK(names(router.route({}, {.prefill = {.accept = p1}, .decode = {.allowed = only_d1}})) == "p1 d1");
  }
}

TEST_CASE("an empty allowed list disallows every endpoint") {
  auto router = three_by_three();
  const NoEndpoint none_allowed{.role = Role::decode, .endpoints = 3, .disallowed = 3};
  CHECK(router.decode({}, {.allowed = Ids{}}).error() == none_allowed);
  CHECK(router.dispatcher().route({}, {.decode = {.allowed = Ids{}}}).error() == none_allowed);
  CHECK(in_flight(router, Role::prefill) == 0);
}

TEST_CASE("an empty filter gives the same choices as no filter") {
  auto with = three_by_three();
  auto without = three_by_three();
  auto a = with.dispatcher();
  auto b = without.dispatcher();
  for (int i = 0; i < 12; ++i) CHECK(names(a.route({}, {})) == names(b.route()));
}

TEST_CASE("endpoints with integer ids are allowed by a list of integers") {
  struct Rank {
    std::uint32_t id;
  };
  using Ranks = pdroute::DisaggregatedRouter<RoundRobinPolicy<>, RoundRobinPolicy<>, Rank>;
  const std::vector<Rank> list{{0}, {7}, {9}};
  auto router = Ranks::create({.prefill = list, .decode = list}).value();
  for (int i = 0; i < 3; ++i) CHECK(router.decode({}, {.allowed = std::array<std::uint32_t, 2>{7, 8}})->id() == 7);
  CHECK(router.decode({}, {.allowed = std::array<std::uint32_t, 1>{8}}).error().disallowed == 3);
}

TEST_CASE("a predicate sees the lease's own endpoint object, and is asked once for each eligible endpoint") {
  auto router = three_by_three();
  REQUIRE(router.set_health("d2", pdroute::Health::unhealthy));
  std::vector<const Node*> seen;
  const auto route = router.route({}, {.decode = {.accept = [&](const Node& node) {
                                         seen.push_back(&node);
                                         return true;
                                       }}});
  CHECK(seen.size() == 2);
  CHECK(std::count(seen.begin(), seen.end(), &*route->decode) == 1);
}

TEST_CASE("a filter leaves some endpoints: a rotation draws among them, and each gets an equal share") {
  using OwnTurns = pdroute::DisaggregatedRouter<RoundRobinPolicy<Rotation::per_dispatcher>,
                                                RoundRobinPolicy<Rotation::per_dispatcher>, Node>;
  const auto check = [](auto router) {
    auto dispatcher = router.dispatcher();
    std::map<std::string, int> count;
    const Ids allowed{"d0", "d3", "d4"};
    for (int i = 0; i < 1000; ++i) ++count[std::string(dispatcher.decode({}, {.allowed = allowed})->id())];
    CHECK(count.size() == 3);
    for (const auto& [id, times] : count) CHECK(std::abs(times - 333) < 75);  // five standard deviations
  };
  check(Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 5)}).value());
  check(OwnTurns::create({.prefill = nodes("p", 1), .decode = nodes("d", 5)}).value());
}

TEST_CASE("a predicate throws: the exception reaches the caller, and nothing is reserved") {
  auto router = three_by_three();
  auto dispatcher = router.dispatcher();
  const auto throws = [](const Node&) -> bool { throw std::runtime_error("no"); };
  const auto throws_pair = [](const Node&, const Node&) -> bool { throw std::runtime_error("no"); };
  CHECK_THROWS_AS(dispatcher.decode({}, {.accept = throws}), std::runtime_error);
  CHECK_THROWS_AS(dispatcher.route({}, {.prefill = {.accept = throws}}), std::runtime_error);
  CHECK_THROWS_AS(dispatcher.route({}, {.decode = {.accept = throws}}), std::runtime_error);
  CHECK_THROWS_AS(dispatcher.route({}, {.compatible = throws_pair}), std::runtime_error);
  CHECK_THROWS_AS(router.route({}, {.compatible = throws_pair}), std::runtime_error);  // and its lock is free again
  CHECK(in_flight(router, Role::prefill) == 0);
  CHECK(in_flight(router, Role::decode) == 0);
  CHECK(router.route());
  CHECK(dispatcher.route());
}

TEST_CASE("random states and filters: the reason counts each endpoint once, under the first rule it breaks") {
  pdroute::SplitMix64 random{11};
  const auto chance = [&](std::uint32_t one_in) { return pdroute::below(random, one_in) == 0; };
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    const std::size_t n = pdroute::below(random, 7);
    Nodes list = nodes("d", n, {.requests = 1});
    for (Node& node : list) node.group = chance(3) ? 'a' : 'b';
    bool declines = false;
    using Choosy = pdroute::DisaggregatedRouter<RoundRobinPolicy<>, Moody<RoundRobinPolicy<>>, Node>;
    auto router = Choosy::create({.prefill = nodes("p", 1), .decode = list, .decode_policy = {{}, &declines}}).value();
    auto dispatcher = router.dispatcher();

    std::vector<Choosy::DecodeLease> held;
    std::vector<pdroute::FailedEndpoint> exclude;
    Ids allowed;
    NoEndpoint expected{.role = Role::decode, .endpoints = static_cast<std::uint32_t>(n)};
    Ids left;
    const bool asks_group = chance(2);
    const bool asks_allowed = chance(2);
    for (const Node& node : list) {
      auto lease = dispatcher.decode({}, {.allowed = Ids{node.id}}).value();
      const bool excluded = chance(4);
      if (excluded) exclude.push_back({lease.key()});
      const bool full = chance(4);
      if (full) held.push_back(std::move(lease));
      const bool listed = !chance(4);
      if (listed) allowed.push_back(node.id);
      const bool refuses_id = node.id == "d3";
      const bool unhealthy = chance(6);
      if (unhealthy) REQUIRE(router.set_health(node.id, pdroute::Health::unhealthy));
      const bool paused = chance(6);
      if (paused) REQUIRE(router.set_intake(Role::decode, node.id, pdroute::Intake::paused));
      const bool draining = chance(6);
      if (draining) REQUIRE(router.drain(Role::decode, node.id));
      if (unhealthy) {
        ++expected.unhealthy;
      } else if (paused) {
        ++expected.paused;
      } else if (draining) {
        ++expected.draining;
      } else if (excluded) {
        ++expected.excluded;
      } else if ((asks_allowed && !listed) || refuses_id) {
        ++expected.disallowed;
      } else if (asks_group && node.group != 'a') {
        ++expected.incompatible;
      } else if (full) {
        ++expected.full;
      } else {
        left.push_back(node.id);
      }
    }
    declines = chance(3);
    if (declines) expected.declined = static_cast<std::uint32_t>(left.size());

    const auto accept = [](const Node& node) { return node.id != "d3"; };
    const auto same_group = [](const Node& p, const Node& d) { return p.group == d.group; };
    Choosy::RouteFilter filter{.decode = {.exclude = exclude, .accept = accept}};
    if (asks_allowed) filter.decode.allowed = allowed;
    if (asks_group) filter.compatible = same_group;
    const auto route = dispatcher.route({}, filter);
    CHECK(route.has_value() == (!left.empty() && !declines));
    if (route) {
      CHECK(std::count(left.begin(), left.end(), route->decode.id()) == 1);
    } else {
      CHECK(route.error() == expected);
      CHECK(sum_of_reasons(route.error()) == n);
      CHECK(route.error().overloaded() == (expected.full > 0));
      CHECK(in_flight(router, Role::prefill) == 0);
      ++refused;
    }
  }
  CHECK(refused > 100);  // otherwise the generator makes too few refusals
}

TEST_CASE("a predicate throws on the second leg: the first leg keeps no outcome and no arrival") {
  using Qps = pdroute::DisaggregatedRouter<pdroute::QpsPolicy<pdroute::TieRule::first>, RoundRobinPolicy<>, Node,
                                           pdroute::ManualClock>;
  auto router = Qps::create({.prefill = nodes("p", 2), .decode = nodes("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  const auto throws = [](const Node&) -> bool { throw std::runtime_error("no"); };
  CHECK_THROWS_AS(dispatcher.route({}, {.decode = {.accept = throws}}), std::runtime_error);
  CHECK(status(router, Role::prefill, "p0").outcomes.cancelled == 0);
  CHECK(dispatcher.prefill()->id() == "p0");  // as if it had never been chosen
}
