// SPDX-License-Identifier: Apache-2.0
// A refusal says when the first endpoint that is out for a time may be tried again.
#include <chrono>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::FailureKind;
using pdroute::Health;
using pdroute::Intake;
using pdroute::Role;

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine,
                                            pdroute::ManualClock>;

struct World {
  pdroute::ManualClock clock;
  const std::vector<Engine> engines{{"a"}, {"b"}, {"c"}};
  Router router =
      Router::create(
          {.prefill = engines,
           .decode = engines,
           .clock = clock,
           .outlier_detection = {.consecutive_failures = 1, .base_ejection_time = 30s, .panic_threshold = 0}})
          .value();

  /// When a refusal of the decode role says to come back, from now on.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> back_in() {
    const auto refused = router.decode();
    REQUIRE_FALSE(refused);
    if (!refused.error().until) return std::nullopt;
    return *refused.error().until - clock.now().time_since_epoch();
  }
};

}  // namespace

TEST_CASE("a refusal tells the earliest end of the pauses") {
  World world;
  world.clock.advance(1h);
  REQUIRE(world.router.set_intake(Role::decode, "a", Intake::paused, 9s));
  REQUIRE(world.router.set_intake(Role::decode, "b", Intake::paused, 4s));
  REQUIRE(world.router.set_intake(Role::decode, "c", Intake::paused));
  CHECK(world.back_in() == 4s);
  REQUIRE(world.router.set_health(Role::decode, "b", Health::unhealthy));  // stays out when its pause is over
  CHECK(world.back_in() == 9s);
}

TEST_CASE("a pause is set again, refusals tell its new end with the next change of members") {
  World world;
  for (const Engine& engine : world.engines)
    REQUIRE(world.router.set_intake(Role::decode, engine.id, Intake::paused, 4s));
  for (const Engine& engine : world.engines)
    REQUIRE(world.router.set_intake(Role::decode, engine.id, Intake::paused, 9s));
  CHECK(world.back_in() == 4s);
  REQUIRE(world.router.set_health(Role::decode, "a", Health::unhealthy));
  CHECK(world.back_in() == 9s);
}

TEST_CASE("a refusal tells no time if no endpoint is out for a time") {
  World world;
  for (const Engine& engine : world.engines) REQUIRE(world.router.set_intake(Role::decode, engine.id, Intake::paused));
  CHECK(world.back_in() == std::nullopt);
}

TEST_CASE("a refusal tells when an ejected endpoint is probed, or when its pause is over if that lasts longer") {
  World world;
  auto lease = world.router.decode();
  REQUIRE(lease);
  const std::string failed{lease->id()};
  lease->fail(FailureKind::unreachable);
  world.router.advance(world.clock.now());
  for (const Engine& engine : world.engines) {
    if (engine.id != failed) REQUIRE(world.router.set_intake(Role::decode, engine.id, Intake::paused, 60s));
  }
  CHECK(world.back_in() == 30s);
  REQUIRE(world.router.set_intake(Role::decode, failed, Intake::paused, 45s));  // paused for longer than it is ejected
  CHECK(world.back_in() == 45s);
}
