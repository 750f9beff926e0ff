// SPDX-License-Identifier: Apache-2.0
// Retries after a failure: the failed endpoints are excluded, and finished work is kept.
#include <cstddef>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::FailedEndpoints;
using pdroute::FailureKind;
using pdroute::NoEndpoint;
using pdroute::Outcomes;
using pdroute::Role;
using RouteFilter = pdroute::RouteFilter<Node>;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

}  // namespace

TEST_CASE("decode fails after the first token: another decode endpoint is tried, the prefill stays completed") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 3)}).value();
  auto dispatcher = router.dispatcher();
  auto route = dispatcher.route().value();
  route.first_token();
  FailedEndpoints<> failed;
  std::string tried(route.decode.id());
  while (true) {
    failed.add(route.decode);
    route.decode.fail(FailureKind::unreachable);
    auto next = dispatcher.decode({}, {.exclude = failed});
    if (!next) {
      CHECK(next.error() == NoEndpoint{.role = Role::decode, .endpoints = 3, .excluded = 3});
      CHECK_FALSE(next.error().overloaded());
      break;
    }
    route.decode = std::move(*next);
    tried += route.decode.id();
  }
  CHECK(tried.size() == 6);  // three ids of two characters, each tried once:
  for (const auto& endpoint : router.endpoints(Role::decode)) CHECK(endpoint.outcomes == Outcomes{.unreachable = 1});
  CHECK(status(router, Role::prefill, "p0").outcomes == Outcomes{.completed = 1});
}

TEST_CASE("one list serves both roles: an endpoint that failed in one is not excluded in the other") {
  // Both roles number incarnations from 1, and e0 plays both.
  auto router = Router::create({.prefill = nodes("e", 2), .decode = nodes("e", 2)}).value();
  auto dispatcher = router.dispatcher();
  auto route = dispatcher.route().value();
  CHECK(route.prefill.id() == "e0");
  CHECK(route.decode.id() == "e0");
  CHECK(route.prefill.key().incarnation == route.decode.key().incarnation);
  FailedEndpoints<> failed;
  failed.add(route.prefill);
  for (int i = 0; i < 4; ++i)
    CHECK(dispatcher.route({}, {.prefill = {.exclude = failed}, .decode = {.exclude = failed}})->prefill.id() == "e1");
  bool e0_decodes = false;
  for (int i = 0; i < 4; ++i) e0_decodes = e0_decodes || dispatcher.decode({}, {.exclude = failed})->id() == "e0";
  CHECK(e0_decodes);
  failed.add(route.decode);
  for (int i = 0; i < 4; ++i)
    CHECK(names(dispatcher.route({}, {.prefill = {.exclude = failed}, .decode = {.exclude = failed}})) == "e1 e1");
}

TEST_CASE("more failures than the list holds: the oldest endpoint is tried again, the others are not") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 10)}).value();
  auto dispatcher = router.dispatcher();
  FailedEndpoints<> failed;
  std::vector<std::string> order;
  for (int i = 0; i < 9; ++i) {
    auto lease = dispatcher.decode({}, {.exclude = failed}).value();
    failed.add(lease);
    order.emplace_back(lease.id());
    lease.fail(FailureKind::bad_response);
  }
  CHECK(failed.size() == 8);
  bool again = false;
  for (int i = 0; i < 20; ++i) {
    const auto next = dispatcher.decode({}, {.exclude = failed}).value();
    again = again || next.id() == order[0];
    for (std::size_t last = 1; last < 9; ++last) CHECK(next.id() != order[last]);
  }
  CHECK(again);
}

TEST_CASE("a failed endpoint that restarts or changes its role may be tried again") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  FailedEndpoints<> failed;
  {
    auto lease = dispatcher.decode().value();
    failed.add(lease);
    lease.fail(FailureKind::unreachable);
  }
  CHECK(dispatcher.decode({}, {.exclude = failed}).error().excluded == 1);
  REQUIRE(router.assign(Role::decode, Nodes{}));
  REQUIRE(router.assign(Role::decode, nodes("d", 1)));
  CHECK(dispatcher.decode({}, {.exclude = failed}));
  CHECK(router.change_role("d0", Role::prefill, pdroute::LastEndpoint::take) == pdroute::RoleChange::done);
  const std::vector<std::string_view> d0{"d0"};
  CHECK(dispatcher.prefill({}, {.exclude = failed, .allowed = d0}));
}

TEST_CASE("a failed attempt still holds its place: the retry goes elsewhere, a further one finds it excluded") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.requests = 1})}).value();
  auto dispatcher = router.dispatcher();
  auto first = dispatcher.decode().value();
  FailedEndpoints<> failed;
  failed.add(first);
  auto second = dispatcher.decode({}, {.exclude = failed}).value();
  CHECK(first.id() != second.id());
  CHECK(dispatcher.decode({}, {.exclude = failed}).error() ==
        NoEndpoint{.role = Role::decode, .endpoints = 2, .excluded = 1, .full = 1});
}

TEST_CASE("a route excludes for both legs at once, besides what each leg excludes itself") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  auto router = Router::create({.prefill = nodes("p", 3), .decode = nodes("d", 3), .first = first}).value();
  auto dispatcher = router.dispatcher();
  FailedEndpoints<> failed;
  FailedEndpoints<> slow;
  auto a = dispatcher.route().value();
  auto b = dispatcher.route().value();
  failed.add(a.prefill);
  failed.add(a.decode);
  slow.add(b.prefill);
  slow.add(b.decode);
  for (int i = 0; i < 6; ++i) {
    CHECK(names(dispatcher.route({}, {.exclude = failed, .prefill = {.exclude = slow}, .decode = {.exclude = slow}})) ==
          "p2 d2");
    CHECK(names(router.route({}, {.exclude = failed, .decode = {.exclude = slow}})).ends_with("d2"));
    const auto next = dispatcher.route({}, {.exclude = failed}).value();
    CHECK(next.prefill.id() != "p0");
    CHECK(next.decode.id() != "d0");
  }
  failed.add(b.prefill, FailureKind::overloaded);
  failed.add(b.decode, FailureKind::overloaded);
  const Nodes two = nodes("p", 2);
  REQUIRE(router.assign(Role::prefill, two));
  CHECK(dispatcher.route({}, {.exclude = failed}).error() ==
        NoEndpoint{.role = Role::prefill, .endpoints = 2, .excluded = 1, .full = 1});
}

TEST_CASE("one leg is tried again with the pair rule: the endpoint of the other leg keeps its partner") {
  const Role failing = GENERATE(Role::prefill, Role::decode);
  const Role first = GENERATE(Role::prefill, Role::decode);
  const Nodes kept_list{{"k0", 'a'}};
  const Nodes list{{"x0", 'a'}, {"x1", 'b'}, {"x2", 'a'}, {"x3", 'b'}};
  auto router = Router::create({.prefill = failing == Role::prefill ? list : kept_list,
                                .decode = failing == Role::prefill ? kept_list : list,
                                .first = first})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto group = [](const Node& node) { return node.group; };
  const auto same_group = [](const Node& p, const Node& d) { return p.group == d.group; };
  const Node kept{"k0", 'a'};  // a copy, because a lease that has ended names no endpoint
  for (const bool by_group : {true, false}) {
    FailedEndpoints<> failed;
    const auto again = [&](auto& from) {
      RouteFilter filter{.exclude = failed};
      if (by_group) filter.group = group;
      if (!by_group) filter.compatible = same_group;
      std::string text;
      if (failing == Role::prefill) {
        auto lease = from.prefill({}, filter, kept);
        text = lease ? std::string(lease->id()) : lease.error().text();
        if (lease) lease->fail(FailureKind::unreachable, failed);
      } else {
        auto lease = from.decode({}, filter, kept);
        text = lease ? std::string(lease->id()) : lease.error().text();
        if (lease) lease->fail(FailureKind::unreachable, failed);
      }
      return text;
    };
    const std::string tried = again(dispatcher) + again(router);
    CHECK((tried == "x0x2" || tried == "x2x0"));
    CHECK(again(dispatcher).ends_with("2 excluded, 2 incompatible of 4"));
  }
}

TEST_CASE("one leg is tried again: the pair predicate gets prefill before decode, and the leg's own filter holds") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 2)}).value();
  auto dispatcher = router.dispatcher();
  const auto in_order = [](const Node& p, const Node& d) { return p.id[0] == 'p' && d.id[0] == 'd'; };
  const auto second = [](const Node& node) { return node.id[1] == '1'; };
  const Node p0{"p0"};
  const Node d0{"d0"};
  for (int i = 0; i < 3; ++i) {
    CHECK(dispatcher.decode({}, {.decode = {.accept = second}, .compatible = in_order}, p0)->id() == "d1");
    CHECK(dispatcher.prefill({}, {.prefill = {.accept = second}, .compatible = in_order}, d0)->id() == "p1");
    CHECK(
        dispatcher.prefill({}, {.decode = {.accept = second}}, d0));  // the other leg's filter asks nothing of this one
  }
  CHECK(in_flight(router, Role::prefill) + in_flight(router, Role::decode) == 0);
}

TEST_CASE(
    "an endpoint that could not be reached has restarted under its id and may be tried again, its ranks may not") {
  struct Rank {
    std::string id;
    std::string instance;
    std::string incarnation = "1";
  };
  using Ranks = std::vector<Rank>;
  using OfRanks = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Rank>;
  Ranks ranks{{"e.0", "e"}, {"e.1", "e"}};
  auto router = OfRanks::create({.prefill = ranks, .decode = ranks}).value();
  FailedEndpoints<> failed;
  router.decode({}, {.accept = [](const Rank& rank) { return rank.id == "e.0"; }})
      .value()
      .fail(FailureKind::unreachable, failed);
  CHECK(router.decode({}, {.exclude = failed}).error().excluded == 2);
  CHECK(router.prefill({}, {.exclude = failed}).error().excluded == 2);
  ranks[0].incarnation = "2";
  REQUIRE(router.assign(Role::decode, ranks));
  CHECK(router.decode({}, {.exclude = failed}).value().id() == "e.0");
  REQUIRE(router.set_health(Role::decode, "e.0", pdroute::Health::unhealthy));
  CHECK(router.decode({}, {.exclude = failed}).error().excluded == 1);
  CHECK(router.prefill({}, {.exclude = failed}).error().excluded == 2);
}
