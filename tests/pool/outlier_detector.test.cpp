// SPDX-License-Identifier: Apache-2.0
// What a pool's snapshots show while members are ejected, probed and returned to service.
#include <pdroute/pool/detail/outlier_detector.hpp>
//
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/load/token_count.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/pool/lease.hpp>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"
#include "pool/lease_on.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::EjectionPhase;
using pdroute::OutlierDetection;
using Pool = pdroute::EndpointPool<pdroute::Role::decode, Engine, pdroute::KvTokens>;
using Lease = pdroute::Lease<Pool::Slot>;

struct World {
  explicit World(const OutlierDetection& rules = {.consecutive_failures = 1}) : pool({}, rules) {
    REQUIRE(pool.assign(engines("d", 4)));
  }

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

  /// So many requests begin on the endpoint and end at once.
  void complete(const char* id, std::size_t times) const {
    for (std::size_t i = 0; i < times; ++i) lease_on(pool, id).complete();
  }
  void fail(const char* id, std::size_t times) const {
    for (std::size_t i = 0; i < times; ++i) lease_on(pool, id).fail(pdroute::FailureKind::bad_response);
  }
  void cancel(const char* id, std::size_t times) const {
    for (std::size_t i = 0; i < times; ++i) REQUIRE(lease_on(pool, id));
  }
  [[nodiscard]] EjectionPhase phase(const char* id) const { return pool.endpoint(id)->ejection; }
  [[nodiscard]] std::size_t eligible() const { return pool.snapshot()->candidates().size(); }

  Pool pool;
  pdroute::ManualClock clock;
};

constexpr OutlierDetection three_in_a_row{.consecutive_failures = 3};

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
        pdroute::NoEndpoint{.role = pdroute::Role::decode, .endpoints = 4, .ejected = 2, .until = 10s});
  REQUIRE(world.pool.set_intake("d1", pdroute::Intake::paused));
  CHECK(world.pool.snapshot()->left_out() ==
        pdroute::NoEndpoint{.role = pdroute::Role::decode, .endpoints = 4, .paused = 1, .ejected = 1, .until = 10s});
}

TEST_CASE("outlier detector: silence ejects once it is long enough and clearly more is cancelled than elsewhere") {
  World world{three_in_a_row};
  world.complete("d1", 100);  // of before, which says nothing of the others
  REQUIRE(world.advance(5s) == 0);
  const auto hung = lease_on(world.pool, "d1");
  SECTION("ten times as many as others had cancelled") {
    world.cancel("d1", 3);
    world.complete("d0", 30);
    world.cancel("d0", 9);
    CHECK(world.advance(30s - 1ns) == 0);
    CHECK(world.advance(1ns) == 1);
  }
  SECTION("less than ten times as many") {
    world.cancel("d1", 3);
    world.complete("d0", 30);
    world.cancel("d0", 10);
    CHECK(world.advance(40s) == 0);
  }
  SECTION("two are cancelled") {
    world.cancel("d1", 2);
    world.complete("d0", 30);
    CHECK(world.advance(40s) == 0);
  }
  SECTION("no other endpoint completes any") {
    world.cancel("d1", 30);
    CHECK(world.advance(40s) == 0);
  }
}

TEST_CASE("outlier detector: requests that clients have cancelled between two steps of time are silent, too") {
  World world{three_in_a_row};
  REQUIRE(world.advance() == 0);
  world.complete("d0", 30);
  for (const std::size_t changes : {0U, 0U, 1U}) {
    world.cancel("d1", 1);
    CHECK(world.advance(10s) == changes);
  }
}

TEST_CASE("outlier detector: any sign of life ends a silence, and what was cancelled before says nothing") {
  World world{three_in_a_row};
  world.complete("d0", 30);
  REQUIRE(world.advance() == 0);
  auto running = lease_on(world.pool, "d1");
  auto impatient = lease_on(world.pool, "d1");
  const auto hung = lease_on(world.pool, "d1");
  world.cancel("d1", 2);
  SECTION("completed") {
    running.complete();
  }
  SECTION("rejected") {
    running.reject();
  }
  SECTION("pushed back") {
    running.fail(pdroute::FailureKind::overloaded);
  }
  SECTION("tokens") {
    running.progress(1);
  }
  REQUIRE(world.advance(29s) == 0);
  impatient.cancel();
  CHECK(world.advance(1s) == 0);
  CHECK(world.advance(29s) == 0);  // one alone was cancelled during this silence
}

TEST_CASE("outlier detector: an idle time is no silence") {
  World world{three_in_a_row};
  world.complete("d0", 30);
  REQUIRE(world.advance() == 0);
  world.cancel("d1", 1);
  world.complete("d1", 1);
  REQUIRE(world.advance() == 0);
  REQUIRE(world.advance(29s) == 0);
  const auto hung = lease_on(world.pool, "d1");
  world.cancel("d1", 3);
  CHECK(world.advance(29s) == 0);
  CHECK(world.advance(1s) == 1);
}

TEST_CASE("outlier detector: an old request is cancelled while a new one is silent, the silence goes on") {
  World world{three_in_a_row};
  world.complete("d0", 30);
  auto old = lease_on(world.pool, "d1");
  world.fail("d1", 3);
  REQUIRE(world.advance() == 1);
  REQUIRE(world.advance(10s) == 1);
  world.complete("d1", 1);
  REQUIRE(world.advance() == 1);
  REQUIRE(world.phase("d1") == EjectionPhase::none);
  old.cancel();
  REQUIRE(world.advance(10s) == 0);
  const auto hung = lease_on(world.pool, "d1");
  world.cancel("d1", 3);
  CHECK(world.advance(20s) == 1);
}

TEST_CASE("outlier detector: each window counts for itself") {
  World world{{}};
  REQUIRE(world.advance() == 0);
  const auto pass = [&](std::size_t failures, std::size_t completions) {
    for (std::size_t i = 0; i < failures; ++i) {
      world.fail("d1", 1);
      world.complete("d1", completions / failures);
    }
    world.complete("d1", failures == 0 ? completions : completions % failures);
  };
  SECTION("failures of an earlier one do not") {
    pass(5, 10);
    REQUIRE(world.advance(10s) == 0);
    pass(5, 15);
    CHECK(world.advance() == 0);
  }
  SECTION("completions of an earlier one do not") {
    pass(0, 15);
    REQUIRE(world.advance(10s) == 0);
    pass(6, 14);
    CHECK(world.advance() == 1);
  }
  SECTION("the clock steps back, the window ends in time all the same") {
    pass(5, 5);
    world.clock.advance(-100s);
    REQUIRE(world.advance() == 0);
    REQUIRE(world.advance(10s) == 0);
    pass(5, 5);
    CHECK(world.advance() == 0);
  }
}

TEST_CASE("outlier detector: the clock steps back, a silence lasts no longer") {
  World world{three_in_a_row};
  world.complete("d0", 30);
  REQUIRE(world.advance(100s) == 0);
  const auto hung = lease_on(world.pool, "d1");
  world.cancel("d1", 3);
  REQUIRE(world.advance(-100s) == 0);
  CHECK(world.advance(30s) == 1);
}

TEST_CASE("outlier detector: back in service, requests of before the ejection count in no window") {
  World world{three_in_a_row};
  REQUIRE(world.advance() == 0);
  const std::size_t before = GENERATE(0U, 100U);
  world.complete("d1", before);
  world.fail("d1", 3);
  REQUIRE(world.advance() == 1);
  REQUIRE(world.advance(10s) == 1);
  world.complete("d1", 1);
  REQUIRE(world.advance() == 1);
  const std::size_t failures = GENERATE(5U, 6U);
  for (std::size_t i = 0; i < failures; ++i) {
    world.fail("d1", 1);
    world.complete("d1", 2);
  }
  world.complete("d1", 20 - 3 * failures);
  CHECK(world.advance() == (failures == 6 ? 1U : 0U));
}

TEST_CASE("outlier detector: a share that floating point cannot express counts as if it could") {
  World world{{.failure_share = 0.07}};  // 0.07 * 100 is just above 7
  REQUIRE(world.advance() == 0);
  for (int i = 0; i < 6; ++i) {
    world.fail("d1", 1);
    world.complete("d1", 15);
  }
  world.complete("d1", 3);
  REQUIRE(world.advance() == 0);
  world.fail("d1", 1);
  CHECK(world.advance() == 1);
}

TEST_CASE("outlier detector: all fail at once, the last one in full service stays") {
  World world{{.consecutive_failures = 1, .max_ejected_share = 1, .panic_threshold = 0}};
  for (const char* id : {"d0", "d1", "d2", "d3"}) world.fail(id, 1);
  CHECK(world.advance() == 3);
  CHECK(world.phase("d3") == EjectionPhase::none);
}

TEST_CASE("outlier detector: old requests fail during an ejection, which does not prolong it") {
  World world{three_in_a_row};
  std::vector<Lease> old;
  for (int i = 0; i < 30; ++i) old.push_back(lease_on(world.pool, "d1"));
  world.fail("d1", 3);
  REQUIRE(world.advance() == 1);
  const auto until = world.pool.endpoint("d1")->until;
  CHECK(until == 10s);
  for (Lease& lease : old) lease.fail(pdroute::FailureKind::timed_out);
  CHECK(world.advance(1s) == 0);
  CHECK(world.pool.endpoint("d1")->until == until);
}

TEST_CASE("outlier detector: a member that drains is neither ejected nor probed") {
  World world;
  const auto running = lease_on(world.pool, "d2");
  world.fail("d1", 1);
  world.fail("d2", 1);
  REQUIRE(world.pool.drain("d2"));
  CHECK(world.advance() == 1);
  CHECK(world.phase("d1") == EjectionPhase::ejected);
  CHECK(world.phase("d2") == EjectionPhase::tripped);
  REQUIRE(world.pool.drain("d1"));
  CHECK(world.advance(10s) == 0);
  CHECK(world.phase("d1") == EjectionPhase::ejected);
}

TEST_CASE("outlier detector: panic ends as one serves in full again, another that is ejected leaves the snapshot") {
  World world;
  world.fail("d0", 1);
  REQUIRE(world.advance() == 1);
  world.clock.advance(5s);
  world.fail("d1", 1);
  REQUIRE(world.advance() == 1);
  REQUIRE(world.eligible() == 2);
  REQUIRE(world.pool.set_health("d2", pdroute::Health::unhealthy));
  CHECK(world.phase("d1") == EjectionPhase::spared);
  CHECK(world.eligible() == 3);
  REQUIRE(world.advance(5s) == 1);
  REQUIRE(world.phase("d0") == EjectionPhase::probing);
  world.complete("d0", 1);
  REQUIRE(world.advance() == 1);
  CHECK(world.phase("d1") == EjectionPhase::ejected);
  CHECK(world.eligible() == 2);
}

TEST_CASE("outlier detector: an ejection that begins panic is told as spared") {
  World world{{.consecutive_failures = 1, .panic_threshold = 1}};
  world.fail("d1", 1);
  const auto changes = world.pool.advance(world.clock.now());
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].phase == EjectionPhase::spared);
}

TEST_CASE("outlier detector: members that drain do not count for the panic threshold") {
  World world;
  world.fail("d0", 1);
  REQUIRE(world.advance() == 1);
  for (const char* id : {"d2", "d3"}) REQUIRE(world.pool.drain(id));
  CHECK(world.phase("d0") == EjectionPhase::ejected);
  REQUIRE(world.pool.set_health("d1", pdroute::Health::unhealthy));
  CHECK(world.phase("d0") == EjectionPhase::spared);
}

TEST_CASE("outlier detector: members at rest do not count as healthy ones when unhealthy ones might serve") {
  World world{{.consecutive_failures = 0, .fail_open_threshold = 0.5}};
  for (const char* id : {"d0", "d1"}) REQUIRE(world.pool.set_intake(id, pdroute::Intake::paused));
  for (const char* id : {"d2", "d3"}) REQUIRE(world.pool.set_health(id, pdroute::Health::unhealthy));
  CHECK(world.eligible() == 2);
}
