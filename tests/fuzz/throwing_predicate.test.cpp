// SPDX-License-Identifier: Apache-2.0
// The caller's code throws in the middle of a route: the leg chosen first is undone.
#include <pdroute/pdroute.hpp>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using Counted = pdroute::WithMetrics<pdroute::RoundRobinPolicy<>, pdroute::Tokens>;
using Router = pdroute::DisaggregatedRouter<Counted, Counted, Engine>;
using pdroute::Role;

struct Thrown {};

struct ThrowsInDecode {
  static pdroute::Demand demand(const Engine& /*engine*/, Role role) {
    if (role == Role::decode) throw Thrown{};
    return {.tokens = 5};
  }
};

}  // namespace

TEST_CASE("pair predicate throws: the leg chosen first is undone and not counted as cancelled") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  const auto throws = [](const Engine& /*prefill*/, const Engine& /*decode*/) -> bool { throw Thrown{}; };
  CHECK_THROWS_AS(router.route({}, {.compatible = throws}), Thrown);
  CHECK(router.endpoints(Role::prefill)[0].in_flight == 0);
  CHECK(router.endpoints(Role::prefill)[0].outcomes == pdroute::Outcomes{});
}

TEST_CASE("demand throws: the leg chosen first is undone and not counted as cancelled") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  CHECK_THROWS_AS(router.route(ThrowsInDecode{}), Thrown);
  CHECK(router.endpoints(Role::prefill)[0].in_flight == 0);
  CHECK(router.endpoints(Role::prefill)[0].outcomes == pdroute::Outcomes{});
}
