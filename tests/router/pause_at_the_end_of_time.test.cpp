// SPDX-License-Identifier: Apache-2.0
// A pause that begins at the end of the range of times lasts, because its end does not overflow.
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

}  // namespace
