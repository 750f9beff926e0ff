// SPDX-License-Identifier: Apache-2.0
// Outlier detection of engines with several endpoints: ranks of one instance, and one engine in both roles.
#include <pdroute/pool/detail/engine_probes.hpp>
#include <pdroute/pool/detail/engine_rows.hpp>
#include <pdroute/pool/detail/outlier_state.hpp>
#include <pdroute/pool/detail/step_of_time.hpp>
//
#include <chrono>
#include <cstddef>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::EjectionPhase;
using pdroute::FailureKind;
using pdroute::Health;
using pdroute::OutlierDetection;
using pdroute::Role;

/// One rank of an engine.
struct Rank {
  std::string id;
  std::string instance;
};
using Router =
    pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Rank, pdroute::ManualClock>;

/// `each` ranks of each of `count` engines: a.0, a.1, b.0, b.1, ...
std::vector<Rank> ranks(std::size_t count, std::size_t each) {
  std::vector<Rank> all;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t r = 0; r < each; ++r) {
      const std::string engine(1, static_cast<char>('a' + i));
      all.push_back({engine + "." + std::to_string(r), engine});
    }
  }
  return all;
}

struct World {
  explicit World(const std::vector<Rank>& decode, const std::vector<Rank>& prefill = {{"p", "p"}},
                 const OutlierDetection& rules = {.consecutive_failures = 4})
      : router(Router::create({.prefill = prefill, .decode = decode, .clock = clock, .outlier_detection = rules})
                   .value()) {}

  [[nodiscard]] std::optional<Router::DecodeLease> lease(const std::string& id) {
    auto found = router.decode({}, {.accept = [&](const Rank& rank) { return rank.id == id; }});
    if (!found) return std::nullopt;
    return std::move(*found);
  }
  void fail(const std::string& id, int times = 1) {
    for (int i = 0; i < times; ++i) {
      auto one = lease(id);
      REQUIRE(one);
      one->fail(FailureKind::unreachable);
    }
  }
  void complete(const std::string& id) {
    auto one = lease(id);
    REQUIRE(one);
    one->complete();
  }
  void fail_prefill(const std::string& id) {
    auto one = router.prefill({}, {.accept = [&](const Rank& rank) { return rank.id == id; }});
    REQUIRE(one);
    one->fail(FailureKind::timed_out);
  }
  std::size_t advance(std::chrono::nanoseconds step = 0s) {
    clock.advance(step);
    return router.advance(clock.now()).size();
  }
  [[nodiscard]] EjectionPhase phase(const std::string& id, Role role = Role::decode) const {
    return router.endpoint(role, id).value().ejection;
  }
  /// How long the endpoint is still out.
  [[nodiscard]] std::chrono::nanoseconds out_for(const std::string& id) const {
    return router.endpoint(Role::decode, id)->until.value() - clock.now().time_since_epoch();
  }
  [[nodiscard]] std::vector<EjectionPhase> phases_of(const std::string& engine) const {
    std::vector<EjectionPhase> all;
    for (const auto& each : router.endpoints(Role::decode)) {
      if (each.id.starts_with(engine)) all.push_back(each.ejection);
    }
    return all;
  }
  /// Lets two ranks of engine a fail until both are out.
  void eject_a() {
    fail("a.0", 2);
    fail("a.1", 2);
    advance();
    REQUIRE(phases_of("a") == std::vector(2, ejected));
  }

  static constexpr EjectionPhase none = EjectionPhase::none;
  static constexpr EjectionPhase ejected = EjectionPhase::ejected;
  static constexpr EjectionPhase probing = EjectionPhase::probing;
  pdroute::ManualClock clock;
  Router router;
};
constexpr EjectionPhase none = World::none;
constexpr EjectionPhase ejected = World::ejected;
constexpr EjectionPhase probing = World::probing;
using Phases = std::vector<EjectionPhase>;

}  // namespace

TEST_CASE("an instance of eight ranks that dies is out after one row of failures over all ranks") {
  World world(ranks(4, 8));
  int failed = 0;
  for (int i = 0; i < 400; ++i) {
    auto lease = world.router.decode().value();
    if (lease.id().starts_with("a.")) {
      lease.fail(FailureKind::unreachable);
      ++failed;
    } else {
      lease.complete();
    }
    if (i % 4 == 3) world.advance(10ms);
  }
  CHECK(failed == 4);
  CHECK(world.phases_of("a") == Phases(8, ejected));
}

TEST_CASE("failures of an engine add up over both roles, and each role ejects its endpoint") {
  World world({{"a", "a"}, {"b", "b"}, {"c", "c"}}, {{"a", "a"}, {"d", "d"}, {"e", "e"}});
  world.fail("a", 3);
  world.advance();
  CHECK(world.phase("a") == none);
  world.fail_prefill("a");
  CHECK(world.advance() == 2);
  CHECK(world.phase("a") == ejected);
  CHECK(world.phase("a", Role::prefill) == ejected);
  CHECK(world.phase("d", Role::prefill) == none);
}

TEST_CASE("a row of one rank ejects that rank alone if others of its engine complete requests") {
  World world(ranks(3, 2));
  world.fail("a.0", 3);
  world.advance();
  world.complete("a.1");
  world.advance();
  world.fail("a.0");
  CHECK(world.phase("a.0") == EjectionPhase::tripped);
  world.advance();
  CHECK(world.phases_of("a") == Phases{ejected, none});
}

TEST_CASE("failures of before a request completed on any rank do not count for the engine") {
  World world(ranks(3, 2));
  for (int i = 0; i < 5; ++i) {
    world.fail("a.0");
    if (i % 2 == 0) world.advance();
    world.complete("a.0");
    world.fail("a.1");
    world.advance();
    world.complete("a.1");
  }
  CHECK(world.phases_of("a") == Phases(2, none));
  world.fail("a.0", 3);
  world.complete("a.1");
  world.advance();
  world.fail("a.1", 3);
  world.advance();
  CHECK(world.phases_of("a") == Phases(2, none));
  world.fail("a.1");
  world.advance();
  CHECK(world.phase("a.1") == ejected);
}

TEST_CASE("requests that completed while nothing failed do not hide the failures that follow") {
  World world(ranks(2, 2));
  world.complete("a.1");
  world.advance();
  world.fail("a.0", 2);
  world.fail("a.1", 2);
  world.advance();
  CHECK(world.phases_of("a") == Phases(2, ejected));
}

TEST_CASE("a row of failures that a request has ended counts from its new beginning") {
  World world(ranks(2, 2));
  world.fail("a.0", 3);
  world.complete("a.1");
  world.advance();
  world.complete("a.0");
  world.advance();
  world.fail("a.0", 3);
  world.fail("a.1", 1);
  world.advance();
  CHECK(world.phases_of("a") == Phases(2, ejected));
}

TEST_CASE("only engines of which an endpoint has failed have rows") {
  pdroute::detail::EngineRows rows;
  CHECK_FALSE(rows.any());
  CHECK(rows.of(1) == nullptr);
  rows.watch(1);
  rows.add(1, {}, 3, 0);
  CHECK(rows.of(1) == nullptr);  // one endpoint
  rows.add(1, {}, 2, 0);
  REQUIRE(rows.of(1) != nullptr);
  CHECK(rows.of(1)->failures == 5);
  CHECK_FALSE(rows.watches(2));
}

TEST_CASE("an engine that is out is probed by one rank, and the others follow once that has worked") {
  World world(ranks(3, 2));
  world.eject_a();
  CHECK(world.advance(10s) == 1);
  CHECK(world.phases_of("a") == Phases{probing, ejected});
  world.advance(1s);
  CHECK(world.phases_of("a") == Phases{probing, ejected});
  world.complete("a.0");
  world.advance();
  CHECK(world.phases_of("a") == Phases{none, probing});
  world.complete("a.1");
  world.advance();
  CHECK(world.phases_of("a") == Phases(2, none));
}

TEST_CASE("an engine whose probe fails stays out for longer, and then another rank is probed") {
  World world(ranks(3, 2));
  world.eject_a();
  world.advance(10s);
  world.fail("a.0");
  world.advance();
  CHECK(world.phases_of("a") == Phases(2, ejected));
  world.advance(19s);
  CHECK(world.phases_of("a") == Phases(2, ejected));
  world.advance(1s);
  CHECK(world.phases_of("a") == Phases{ejected, probing});
  world.fail("a.1");
  world.advance();
  world.advance(39s);
  CHECK(world.phases_of("a") == Phases(2, ejected));
  world.advance(1s);
  CHECK(world.phases_of("a") == Phases{probing, ejected});
}

TEST_CASE("no rank waits for a probe that cannot come: of a rank that drains, is unhealthy, is removed or is idle") {
  World world(ranks(3, 2));
  world.eject_a();
  world.advance(10s);
  REQUIRE(world.phases_of("a") == Phases{probing, ejected});
  SECTION("drained") {
    world.router.drain(Role::decode, "a.0");
    world.advance();
    CHECK(world.phase("a.1") == probing);
  }
  SECTION("unhealthy") {
    world.router.set_health(Role::decode, "a.0", Health::unhealthy);
    world.advance();
    CHECK(world.phase("a.1") == probing);
  }
  SECTION("removed") {
    world.router.remove(Role::decode, "a.0");
    world.advance();
    CHECK(world.phase("a.1") == probing);
  }
  SECTION("idle") {
    world.advance(9s);
    CHECK(world.phase("a.1") == ejected);
    world.advance(1s);
    CHECK(world.phase("a.1") == probing);
  }
  SECTION("with a request that gives no sign") {
    const auto lease = world.lease("a.0");
    REQUIRE(lease);
    world.advance(1min);
    CHECK(world.phase("a.1") == ejected);
    world.advance(4min);
    world.advance(5min);
    CHECK(world.phase("a.1") == probing);
  }
}

TEST_CASE("ranks of an engine count as members for the share that may be ejected") {
  World world(ranks(2, 4), {{"p", "p"}}, {.consecutive_failures = 4, .max_ejected_share = 0.25});
  for (const char* id : {"a.0", "a.1", "a.2", "a.3"}) world.fail(id);
  world.advance();
  CHECK(world.phases_of("a") == Phases{ejected, ejected, none, none});
}

TEST_CASE("requests on an endpoint that drains say nothing of its engine") {
  World world(ranks(3, 2));
  auto old = world.lease("a.0").value();
  world.router.drain(Role::decode, "a.0");
  world.fail("a.1", 3);
  old.fail(FailureKind::unreachable);
  world.advance();
  CHECK(world.phase("a.1") == none);
}

TEST_CASE("before the clock's epoch, an engine whose probe fails makes no rank of another one wait") {
  World world(ranks(4, 2), {{"p", "p"}}, {.consecutive_failures = 4, .max_ejected_share = 1, .panic_threshold = 0});
  world.clock.set(-1h);
  world.advance();
  world.fail("a.0", 4);
  world.advance();
  world.advance(10s);
  REQUIRE(world.phase("a.0") == EjectionPhase::probing);
  world.fail("a.0");
  world.fail("b.0", 4);
  world.advance();
  REQUIRE(world.phase("b.0") == EjectionPhase::ejected);
  CHECK(world.router.endpoint(Role::decode, "b.0")->until == world.clock.now().time_since_epoch() + 10s);
  CHECK(world.router.endpoint(Role::decode, "a.0")->until == world.clock.now().time_since_epoch() + 20s);
}

TEST_CASE("an engine has completed requests long ago, a new row of failures over its ranks counts all the same") {
  World world(ranks(3, 2));
  for (const char* id : {"a.0", "a.1"}) world.complete(id);
  world.advance();
  world.eject_a();
}

TEST_CASE("a request that the first rank has completed ends the row of the engine, too") {
  World world(ranks(3, 2));
  world.fail("a.1", 2);
  world.complete("a.0");
  world.advance();
  world.fail("a.1");
  world.fail("a.0");
  world.advance();
  CHECK(world.phases_of("a") == Phases(2, none));
}

TEST_CASE("a rank that may not be ejected serves on, and its failures count for the engine from then on") {
  World world(ranks(2, 2), {{"p", "p"}}, {.consecutive_failures = 4, .max_ejected_share = 0.25});
  world.fail("a.0", 2);
  world.complete("a.1");
  world.advance();
  world.fail("b.0", 4);
  world.complete("b.1");
  REQUIRE(world.advance() == 1);
  world.fail("a.0", 2);
  REQUIRE(world.advance() == 0);  // as many are out as may be
  REQUIRE(world.phase("a.0") == none);
  world.advance(10s);
  world.complete("b.0");
  REQUIRE(world.advance() == 1);
  world.fail("a.0", 2);
  world.fail("a.1", 2);
  CHECK(world.advance() == 1);
}

TEST_CASE("while one rank serves in full, each of the others is probed and ejected for itself") {
  World world(ranks(3, 3));
  world.complete("a.0");
  world.fail("a.1", 4);
  world.fail("a.2", 4);
  world.advance();
  REQUIRE(world.phases_of("a") == Phases{none, ejected, ejected});
  world.advance(10s);
  CHECK(world.phases_of("a") == Phases{none, probing, probing});
  world.fail("a.2");
  world.advance();
  CHECK(world.out_for("a.2") == 20s);
  world.fail("a.1");
  world.advance(5s);
  CHECK(world.out_for("a.1") == 20s);
  CHECK(world.out_for("a.2") == 15s);
}

TEST_CASE("an engine of three ranks fails probe after probe, its time out grows whichever rank is probed") {
  World world(ranks(3, 3));
  for (const char* id : {"a.0", "a.1", "a.2", "a.0"}) world.fail(id);
  world.advance();
  REQUIRE(world.phases_of("a") == Phases(3, ejected));
  world.advance(10s);
  world.fail("a.0");
  world.advance();
  REQUIRE(world.out_for("a.0") == 20s);
  const bool drains = GENERATE(false, true);
  if (drains) REQUIRE(world.router.drain(Role::decode, "a.0"));
  world.advance(20s);
  REQUIRE(world.phase("a.1") == probing);
  world.fail("a.1");
  world.advance();
  CHECK(world.out_for("a.1") == (drains ? 20s : 40s));  // a rank that drains does not matter any more
}

TEST_CASE("a probe fails after its engine has waited long for it, no other rank is probed in the same step") {
  World world(ranks(3, 2));
  world.eject_a();
  world.advance(10s);
  REQUIRE(world.phases_of("a") == Phases{probing, ejected});
  world.advance(9s);
  world.fail("a.0");
  world.advance(1s);
  CHECK(world.phases_of("a") == Phases(2, ejected));
}
