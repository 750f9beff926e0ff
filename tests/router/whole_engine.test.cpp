// SPDX-License-Identifier: Apache-2.0
// The health, the intake and the drain of a whole engine: its ranks, and its endpoints in both roles.
#include <pdroute/pool/detail/state_change.hpp>
#include <pdroute/router/router_members.hpp>
//
#include <chrono>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::Health;
using pdroute::Intake;
using pdroute::ManualClock;
using pdroute::Role;

/// One rank of the engine with this number.
struct Rank {
  std::string id;
  int instance;
};
template <class Endpoint>
using RouterOf =
    pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Endpoint, ManualClock>;
using Router = RouterOf<Rank>;

const std::vector<Rank> prefill{{"x", 1}, {"y", 2}};
const std::vector<Rank> decode{{"x", 1}, {"a", 1}, {"b", 2}, {"c", 3}};

Router make(const ManualClock& clock) {
  return Router::create({.prefill = prefill, .decode = decode, .clock = clock}).value();
}
/// The ids of a role that may be chosen.
std::string eligible(const auto& router, Role role) {
  std::string ids;
  for (const auto& each : router.endpoints(role)) {
    if (each.eligible()) ids += each.id;
  }
  return ids;
}

}  // namespace

TEST_CASE("the health of an engine is that of all its ranks in both roles") {
  const ManualClock clock;
  auto router = make(clock);
  CHECK(router.set_health(1, Health::unhealthy) == 3);
  CHECK(eligible(router, Role::prefill) == "y");
  CHECK(eligible(router, Role::decode) == "bc");
  for (int i = 0; i < 4; ++i) CHECK(router.route()->prefill.id() == "y");
  CHECK(router.set_health(1, Health::healthy) == 3);
  CHECK(eligible(router, Role::decode) == "xabc");
  CHECK(router.set_health(9, Health::unhealthy) == 0);
}

TEST_CASE("the health of one rank in one role is set by its role and id") {
  const ManualClock clock;
  auto router = make(clock);
  CHECK(router.set_health(Role::decode, "x", Health::unhealthy));
  CHECK(eligible(router, Role::prefill) == "xy");
  CHECK(eligible(router, Role::decode) == "abc");
  CHECK_FALSE(router.set_health(Role::prefill, "a", Health::unhealthy));
}

TEST_CASE("an engine is paused as a whole, for good or for a time") {
  ManualClock clock;
  auto router = make(clock);
  CHECK(router.set_intake(1, Intake::paused) == 3);
  CHECK(eligible(router, Role::prefill) == "y");
  CHECK(eligible(router, Role::decode) == "bc");
  CHECK(router.set_intake(1, Intake::accepting) == 3);
  CHECK(router.set_intake(2, Intake::paused, 5s) == 2);
  CHECK(eligible(router, Role::prefill) == "x");
  CHECK(eligible(router, Role::decode) == "xac");
  clock.advance(5s);
  router.advance(clock.now());
  CHECK(eligible(router, Role::decode) == "xabc");
  CHECK(router.set_intake(2, Intake::paused, 5s) == 2);
  CHECK(router.set_intake(2, Intake::accepting, 5s) == 2);
  CHECK(eligible(router, Role::decode) == "xabc");
  CHECK(router.set_intake(9, Intake::paused) == 0);
  CHECK(router.set_intake(9, Intake::paused, 5s) == 0);
}

TEST_CASE("an engine drains as a whole: no endpoint of it takes new requests, and its leases stay valid") {
  const ManualClock clock;
  auto router = make(clock);
  auto dispatcher = router.dispatcher();
  auto route = dispatcher.route().value();
  REQUIRE(route.prefill.id() == "x");
  CHECK(router.drain(1) == 3);
  for (int i = 0; i < 8; ++i) {
    const auto next = dispatcher.route().value();
    CHECK(next.prefill.id() == "y");
    CHECK((next.decode.id() == "b" || next.decode.id() == "c"));
  }
  CHECK_FALSE(router.endpoint(Role::prefill, "x")->drained());
  route.prefill.complete();
  CHECK(router.endpoint(Role::prefill, "x")->drained());
  CHECK(router.drain(1) == 3);
  CHECK(router.drain(9) == 0);
}

TEST_CASE("without an instance the id names the engine, in both roles") {
  auto router =
      RouterOf<Engine>::create({.prefill = engines("e", 2), .decode = engines("e", 3), .clock = ManualClock{}}).value();
  CHECK(router.set_health("e1", Health::unhealthy) == 2);
  CHECK(router.set_health("e2", Health::unhealthy) == 1);
  CHECK(router.set_intake("e1", Intake::paused) == 2);
  CHECK(router.set_intake("e1", Intake::paused, 1s) == 2);
  CHECK(router.drain("e0") == 2);
  CHECK(eligible(router, Role::prefill).empty());
  CHECK(eligible(router, Role::decode).empty());
  CHECK(router.drain("e9") == 0);
}

TEST_CASE("an engine whose ranks served by failing open is healthy again: none of them starts slowly") {
  const std::vector<Rank> ranks{{"a", 1}, {"b", 1}, {"c", 2}, {"d", 2}};
  auto router = Router::create({.prefill = prefill,
                                .decode = ranks,
                                .clock = ManualClock{},
                                .outlier_detection = {.consecutive_failures = 0, .fail_open_threshold = 0.25},
                                .slow_start = {.duration = 30s}})
                    .value();
  const auto share = [&](const char* id) { return router.endpoint(Role::decode, id)->admitted_share; };
  router.set_health(1, Health::unhealthy);
  router.set_health(2, Health::unhealthy);
  REQUIRE(router.endpoint(Role::decode, "b")->fail_open);
  router.set_health(1, Health::healthy);
  CHECK(share("a") == 1);
  CHECK(share("b") == 1);
  router.set_health(2, Health::healthy);  // these did not serve any more
  CHECK(share("c") < 1);
  CHECK(share("d") < 1);
}
