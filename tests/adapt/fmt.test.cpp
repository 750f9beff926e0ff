// SPDX-License-Identifier: Apache-2.0
#include <pdroute/adapt/fmt.hpp>

#include <pdroute/pdroute.hpp>
#include <utility>

#include "catch2_compat.hpp"
#include "engines.hpp"

using pdroute::Role;

TEST_CASE("reasons say what ruled endpoints out, and leave out what is zero") {
  CHECK(fmt::format("{}", pdroute::NoEndpoint{.role = Role::decode}) == "no decode endpoint: there are none");
  CHECK(fmt::format("{}", pdroute::NoEndpoint{.role = Role::decode, .endpoints = 3, .unhealthy = 3}) ==
        "no decode endpoint: 3 unhealthy of 3");
  CHECK(fmt::format(
            "{}",
            pdroute::NoEndpoint{
                .role = Role::prefill, .endpoints = 10, .unhealthy = 1, .paused = 2, .draining = 3, .declined = 4}) ==
        "no prefill endpoint: 1 unhealthy, 2 paused, 3 draining, 4 declined of 10");
}

TEST_CASE("errors name rule and value") {
  CHECK(fmt::format("{}", pdroute::ConfigError{pdroute::ConfigError::Rule::id_unique, "d0"}) ==
        "an id must be unique within its role: d0");
}

TEST_CASE("routes, leases, roles and endpoints print by their ids") {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 2)}).value();
  auto route = router.route();
  CHECK(fmt::format("{}", *route) == "p0 -> d0");
  route->prefill.complete();
  CHECK(fmt::format("{}", *route) == "(ended) -> d0");
  CHECK(fmt::format("{}", route->decode) == "d0");
  CHECK(fmt::format("{}", Role::prefill) == "prefill");
  CHECK(fmt::format("{}", router.endpoints(Role::decode)[0]) == "d0#1 healthy, accepting, 1 in flight");
  router.drain(Role::decode, "d0");
  CHECK(fmt::format("{}", router.endpoints(Role::decode)[0]) == "d0#1 healthy, draining, 1 in flight");
  router.set_health("d1", pdroute::Health::unhealthy);
  router.set_intake(Role::decode, "d1", pdroute::Intake::paused);
  CHECK(fmt::format("{}", router.endpoints(Role::decode)[1]) == "d1#2 unhealthy, paused, 0 in flight");
}
