// SPDX-License-Identifier: Apache-2.0
// A pause that begins at the end of the range of times lasts, because its end does not overflow. One that was set while
// the clock was wrong does not last longer than it should.
#include <chrono>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace {

struct Engine {
  std::string id;
};

TEST_CASE("A pause at the latest time of a clock lasts") {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine,
                                              pdroute::ManualClock>;
  const std::vector<Engine> engines{{"e"}};
  pdroute::ManualClock clock;
  auto router = Router::create({.prefill = engines, .decode = engines, .clock = clock}).value();
  clock.set(std::chrono::nanoseconds::max());
  REQUIRE(router.set_intake(pdroute::Role::decode, "e", pdroute::Intake::paused, std::chrono::hours{1}));
  router.advance(clock.now());
  CHECK(router.endpoint(pdroute::Role::decode, "e")->intake == pdroute::Intake::paused);
}

TEST_CASE("A pause lasts no longer than its time once the clock has stepped back, also in the other role") {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine,
                                              pdroute::ManualClock>;
  using pdroute::Intake;
  using pdroute::Role;
  const std::vector<Engine> engines{{"e"}, {"f"}, {"g"}};
  pdroute::ManualClock clock;
  auto router = Router::create({.prefill = {engines.data(), 1}, .decode = engines, .clock = clock}).value();
  clock.set(std::chrono::hours{87'600});
  REQUIRE(router.set_intake(Role::decode, "e", Intake::paused, std::chrono::seconds{10}));
  REQUIRE(router.set_intake(Role::decode, "f", Intake::bound_only, std::chrono::seconds{10}));
  REQUIRE(router.set_intake(Role::decode, "g", Intake::paused));
  REQUIRE(router.change_role("f", Role::prefill) == pdroute::RoleChange::done);
  const auto intake = [&](Role role, const char* id) { return router.endpoint(role, id)->intake; };

  clock.set(std::chrono::seconds{100});
  router.advance(clock.now());
  CHECK(intake(Role::decode, "e") == Intake::paused);
  CHECK(router.endpoint(Role::decode, "e")->until == std::chrono::seconds{110});
  clock.advance(std::chrono::seconds{10});
  router.advance(clock.now());
  CHECK(intake(Role::decode, "e") == Intake::accepting);
  CHECK(intake(Role::prefill, "f") == Intake::accepting);
  CHECK(intake(Role::decode, "g") == Intake::paused);
}

}  // namespace
