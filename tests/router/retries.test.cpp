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
