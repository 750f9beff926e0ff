// SPDX-License-Identifier: Apache-2.0
// What a pool's snapshots show while members are ejected, probed and returned to service.
#include <pdroute/pool/detail/outlier_detector.hpp>
//
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/manual_clock.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/pool/lease.hpp>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::EjectionPhase;
using pdroute::OutlierDetection;
using Pool = pdroute::EndpointPool<pdroute::Role::decode, Engine>;
using Lease = pdroute::Lease<Pool::Slot>;

struct World {
  World() { REQUIRE(pool.assign(engines("d", 4))); }

  /// Tries `attempts` times to reserve the slot, as a dispatcher with an old snapshot may. Returns the leases it got.
  static std::vector<Lease> take(Pool::Slot* slot, std::size_t attempts = 20) {
    std::vector<Lease> leases;
    for (std::size_t i = 0; i < attempts; ++i) {
      Pool::Slot::Held held{};
      if (const auto [attempt, place] = slot->try_reserve(pdroute::Request{}, held);
          attempt == Pool::Slot::Attempt::reserved)
        leases.emplace_back(place, held);
    }
    return leases;
  }
  static void fail(Pool::Slot* slot) {
    auto leases = take(slot, 1);
    REQUIRE(leases.size() == 1);
    leases.front().fail(pdroute::FailureKind::bad_response);
  }
  std::size_t advance(std::chrono::nanoseconds step = 0s) {
    clock.advance(step);
    return pool.advance(clock.now()).size();
  }

  Pool pool{{}, OutlierDetection{.consecutive_failures = 1}};
  pdroute::ManualClock clock;
};

}  // namespace

TEST_CASE("outlier detector: while an endpoint is probed, the lower of probe limit and capacity holds") {
  const auto places = [](const OutlierDetection& rules, const pdroute::Capacity& capacity) {
    Pool pool{{}, rules};
    REQUIRE(pool.assign(engines("d", 4)));
    Pool::Slot* const probed = pool.snapshot()->candidates().slot(1);
    CHECK_FALSE(pool.set_capacity("d1", capacity));
    World::fail(probed);
    CHECK(pool.advance(pdroute::ManualClock::time_point{}).size() == 1);
    CHECK(pool.advance(pdroute::ManualClock::time_point{10s}).size() == 1);
    return World::take(probed).size();
  };
  CHECK(places({.consecutive_failures = 1, .probes = 3}, {}) == 3);
  CHECK(places({.consecutive_failures = 1, .probes = 3}, {.requests = 2}) == 2);
  CHECK(places({.consecutive_failures = 1, .probes = 3}, {.requests = 8}) == 3);
  CHECK(places({.consecutive_failures = 1, .probes = 1023}, {}) == 20);
}

TEST_CASE("outlier detector: a choice from an old snapshot stays within the bound of a probe that has failed") {
  World world;
  const auto first = world.pool.snapshot();
  Pool::Slot* const slot = first->candidates().slot(1);
  World::fail(slot);
  REQUIRE(world.advance() == 1);
  REQUIRE(world.advance(10s) == 1);
  const auto while_probing = world.pool.snapshot();  // as a dispatcher holds it in the middle of a choice
  World::fail(slot);
  CHECK(World::take(slot).empty());
  REQUIRE(world.advance() == 1);
  CHECK(World::take(slot).empty());
}

TEST_CASE("outlier detector: a new snapshot is published only when the eligible endpoints change") {
  World world;
  Pool::Slot* const slot = world.pool.snapshot()->candidates().slot(1);
  std::uint64_t generation = world.pool.generation();
  const auto shown = [&] {
    const std::uint64_t before = std::exchange(generation, world.pool.generation());
    return generation != before;
  };
  CHECK(world.advance() == 0);
  CHECK_FALSE(shown());
  World::fail(slot);
  CHECK_FALSE(shown());
  CHECK(world.advance() == 1);  // ejected
  CHECK(shown());
  CHECK(world.advance(5s) == 0);
  CHECK_FALSE(shown());
  CHECK(world.advance(5s) == 1);  // probed
  CHECK(shown());
  World::take(slot).front().complete();
  CHECK(world.advance() == 1);  // serves again; it was eligible for the probe already
  CHECK_FALSE(shown());
}

TEST_CASE("outlier detector: each endpoint that is left out counts once, under its first reason") {
  World world;
  World::fail(world.pool.snapshot()->candidates().slot(1));
  World::fail(world.pool.snapshot()->candidates().slot(2));
  REQUIRE(world.advance() == 2);
  CHECK(world.pool.snapshot()->left_out() ==
        pdroute::NoEndpoint{.role = pdroute::Role::decode, .endpoints = 4, .ejected = 2});
  REQUIRE(world.pool.set_intake("d1", pdroute::Intake::paused));
  CHECK(world.pool.snapshot()->left_out() ==
        pdroute::NoEndpoint{.role = pdroute::Role::decode, .endpoints = 4, .paused = 1, .ejected = 1});
}
