// SPDX-License-Identifier: Apache-2.0
// Outlier detection through the router: endpoints that keep failing are ejected for a while, and then probed.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/outlier_world.hpp"

using namespace outliers;

TEST_CASE("outlier detection: consecutive failures eject an endpoint until its ejection time is over") {
  World world(4);
  world.fail("d1", 2);
  CHECK(world.advance() == 0);
  CHECK(world.status("d1").eligible());
  world.fail("d1", 1);
  const auto changes = world.router.advance(world.clock.now());
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].role == Role::decode);
  CHECK(changes[0].id == "d1");
  CHECK(changes[0].phase == EjectionPhase::ejected);
  CHECK_FALSE(world.status("d1").eligible());
  for (int i = 0; i < 12; ++i) CHECK(world.router.decode()->id() != "d1");
  CHECK(world.router.endpoint(Role::prefill, "p1")->eligible());

  CHECK(world.advance(10s - 1ns) == 0);
  CHECK(world.advance(1ns) == 1);
  CHECK(world.phase("d1") == EjectionPhase::probing);
  CHECK(world.status("d1").eligible());
}

TEST_CASE("outlier detection: a completion resets the count of consecutive failures") {
  World world(4);
  for (int i = 0; i < 5; ++i) {
    world.fail("d1", 2);
    world.complete("d1");
    CHECK(world.advance() == 0);
  }
}

TEST_CASE("fault: 429 opens breakers") {
  World world(4);
  world.fail("d1", 100, FailureKind::overloaded);
  for (int i = 0; i < 100; ++i) static_cast<void>(world.lease("d1"));  // cancelled
  CHECK(world.advance() == 0);
  world.fail("d1", 2);
  world.fail("d1", 1, FailureKind::overloaded);
  static_cast<void>(world.lease("d1"));
  world.fail("d1", 1);
  CHECK(world.advance() == 1);  // overloads and cancels do not reset the count either
}

TEST_CASE("outlier detection: unreachable, timed_out and bad_response all count as failures") {
  for (const FailureKind kind : {FailureKind::unreachable, FailureKind::timed_out, FailureKind::bad_response}) {
    World world(4);
    world.fail("d1", 3, kind);
    CHECK(world.advance() == 1);
  }
}

TEST_CASE("outlier detection: a probe completes, the endpoint serves in full again") {
  World world(4);
  world.eject("d1");
  world.advance(10s);
  world.complete("d1");
  CHECK(world.advance() == 1);
  CHECK(world.phase("d1") == EjectionPhase::none);
  const auto one = world.lease("d1");
  const auto two = world.lease("d1");
  CHECK((one && two));
}

TEST_CASE("outlier detection: a probe fails, the ejection time doubles up to the maximum") {
  World world(4, OutlierDetection{.consecutive_failures = 3, .base_ejection_time = 10s, .max_ejection_time = 35s});
  world.eject("d1");
  for (const auto time : {10s, 20s, 35s, 35s}) {
    CHECK(world.advance(time - 1ns) == 0);
    CHECK(world.advance(1ns) == 1);
    CHECK(world.phase("d1") == EjectionPhase::probing);
    world.fail("d1", 1);
    CHECK(world.advance() == 1);
    CHECK(world.phase("d1") == EjectionPhase::ejected);
  }
}

TEST_CASE("outlier detection: after max_ejection_time in service, and not before, the ejection time starts over") {
  for (const bool long_enough : {false, true}) {
    World world(4, OutlierDetection{.consecutive_failures = 3, .base_ejection_time = 10s, .max_ejection_time = 60s});
    world.eject("d1");
    world.advance(10s);
    world.complete("d1");
    world.advance();
    world.clock.advance(long_enough ? 61s : 59s);
    world.eject("d1");
    world.advance(10s);
    CHECK(world.phase("d1") == (long_enough ? EjectionPhase::probing : EjectionPhase::ejected));
  }
}

TEST_CASE("outlier detection: leases end during the ejection, they do not decide the probe") {
  World world(4);
  auto before = world.lease("d1");
  auto other = world.lease("d1");
  world.eject("d1");
  before->complete();
  other->fail(FailureKind::bad_response);
  CHECK(world.advance() == 0);
  world.advance(10s);
  CHECK(world.phase("d1") == EjectionPhase::probing);
  CHECK(world.advance() == 0);
  CHECK(world.phase("d1") == EjectionPhase::probing);
}

TEST_CASE("fault: half-open breakers admit unlimited traffic") {
  World world(4);
  world.eject("d1");
  world.advance(10s);
  const auto probe = world.lease("d1");
  REQUIRE(probe);
  for (int i = 0; i < 20; ++i) CHECK(world.router.decode()->id() != "d1");
  CHECK_FALSE(world.lease("d1"));

  // The bound also holds for many threads at once.
  World busy(2, OutlierDetection{.consecutive_failures = 3, .probes = 2});
  busy.eject("d1");
  busy.advance(10s);
  std::atomic<int> max_seen{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      auto dispatcher = busy.router.dispatcher();
      for (int i = 0; i < 2000; ++i) {
        auto lease = dispatcher.decode();
        if (!lease || lease->id() != "d1") continue;
        const int there = static_cast<int>(busy.router.endpoint(Role::decode, "d1")->in_flight);
        int seen = max_seen.load();
        while (seen < there && !max_seen.compare_exchange_weak(seen, there)) {
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(max_seen > 0);
  CHECK(max_seen <= 2);
}

TEST_CASE("outlier detection: eight threads begin at most one probe per step of time") {
  ManualClock clock;
  auto router =
      Router::create(
          {.decode = engines("d", 2),
           .clock = clock,
           .outlier_detection = {.consecutive_failures = 1, .base_ejection_time = 1s, .max_ejection_time = 1s}})
          .value();
  const auto d1 = [](const Engine& engine) { return engine.id == "d1"; };
  router.decode({}, {.accept = d1})->fail(FailureKind::bad_response);
  REQUIRE(router.advance(clock.now()).size() == 1);  // from here on d1 never serves in full

  std::atomic<int> running = 8;
  std::atomic<int> probes = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      auto dispatcher = router.dispatcher();
      while (probes < 100) {
        auto lease = dispatcher.decode();
        if (!lease || lease->id() != "d1") continue;
        ++probes;
        std::this_thread::yield();
        lease->fail(FailureKind::bad_response);
      }
      --running;
    });
  }
  int steps = 0;
  while (running > 0) {
    // Time stands still while a probe runs. Otherwise the probe would expire without a result.
    if (router.endpoint(Role::decode, "d1")->ejection == EjectionPhase::ejected) clock.advance(1s);
    static_cast<void>(router.advance(clock.now()));
    ++steps;
    std::this_thread::yield();
  }
  for (auto& thread : threads) thread.join();
  CHECK(probes >= 100);
  CHECK(probes <= steps);
}

TEST_CASE("outlier detection: an older lease never ends, it does not take the probe's place") {
  World world(4);
  const auto endless = world.lease("d1");
  world.eject("d1");
  REQUIRE(world.advance(10s) == 1);
  auto probe = world.lease("d1");
  REQUIRE(probe);
  CHECK_FALSE(world.lease("d1"));
  probe->complete();
  CHECK(world.advance(1s) == 1);
  CHECK(world.phase("d1") == EjectionPhase::none);
}

TEST_CASE("outlier detection: a probe that never answers ejects again, none that begins is waited for") {
  World world(4);
  world.eject("d1");
  world.eject("d2");
  REQUIRE(world.advance(10s) == 2);
  const auto endless = world.lease("d1");
  CHECK(world.advance(5min - 1ns) == 0);
  CHECK_FALSE(world.lease("d1"));
  CHECK(world.advance(1ns) == 1);
  CHECK(world.phase("d1") == EjectionPhase::ejected);
  CHECK(world.phase("d2") == EjectionPhase::probing);
  CHECK(world.advance(20s) == 1);  // twice as long as the first time
  CHECK(world.phase("d1") == EjectionPhase::probing);
}

TEST_CASE("outlier detection: a probe fails, no other one begins until time passes") {
  using Least = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::LeastRequestPolicy, Engine, ManualClock>;
  ManualClock clock;
  auto router =
      Least::create({.decode = engines("d", 4), .clock = clock, .outlier_detection = {.consecutive_failures = 1}})
          .value();
  const auto d1 = [](const Engine& engine) { return engine.id == "d1"; };
  router.decode({}, {.accept = d1})->fail(FailureKind::bad_response);
  REQUIRE(router.advance(clock.now()).size() == 1);
  std::vector<Least::DecodeLease> busy;  // so that the failing endpoint has the fewest requests
  for (int i = 0; i < 30; ++i) busy.push_back(router.decode().value());
  for (int second = 10; second < 100; second += 10) {
    clock.set(std::chrono::seconds{second});
    if (router.advance(clock.now()).empty()) continue;
    int failed = 0;
    for (int i = 0; i < 1000; ++i) {
      auto lease = router.decode().value();
      if (lease.id() != "d1") continue;
      lease.fail(FailureKind::bad_response);
      ++failed;
    }
    CHECK(failed == 1);
    CHECK(router.advance(clock.now()).size() == 1);
  }
}

TEST_CASE("outlier detection: requests that began before the probe do not decide it") {
  World world(4);
  std::vector<Router::DecodeLease> before;
  for (int i = 0; i < 40; ++i) before.push_back(world.lease("d1").value());
  world.eject("d1");
  REQUIRE(world.advance(10s) == 1);
  auto probe = world.lease("d1");
  before[0].fail(FailureKind::timed_out);
  CHECK_FALSE(world.lease("d1"));  // the place is still the probe's
  CHECK(world.advance(1s) == 0);
  before[1].complete();
  CHECK(world.advance(1s) == 0);
  CHECK(world.phase("d1") == EjectionPhase::probing);
  probe->complete();
  before[2].fail(FailureKind::timed_out);
  CHECK(world.advance(1s) == 1);
  CHECK(world.phase("d1") == EjectionPhase::none);
}

TEST_CASE("outlier detection: probes were allowed but never used, another endpoint can be ejected") {
  World world(6);
  world.eject("d2");
  world.eject("d3");
  static_cast<void>(world.advance(10s));
  static_cast<void>(world.advance(24h));
  world.eject("d0");
}

TEST_CASE("outlier detection: a probed endpoint with a capacity below the probe limit keeps that capacity") {
  World world(4, OutlierDetection{.consecutive_failures = 3, .probes = 5});
  CHECK_FALSE(world.router.set_capacity(Role::decode, "d1", {.requests = 2}));
  world.eject("d1");
  world.advance(10s);
  const auto one = world.lease("d1");
  const auto two = world.lease("d1");
  CHECK((one && two));
  CHECK_FALSE(world.lease("d1"));
}

TEST_CASE("outlier detection: a capacity set during a probe takes effect when the probe is over") {
  World world(4);
  world.eject("d1");
  world.advance(10s);
  CHECK_FALSE(world.router.set_capacity(Role::decode, "d1", {.requests = 3}));
  {
    const auto probe = world.lease("d1");
    CHECK_FALSE(world.lease("d1"));
  }
  world.complete("d1");  // the probe was cancelled and has given its place to the next one
  CHECK_FALSE(world.lease("d1"));
  world.advance();
  const std::array held{world.lease("d1"), world.lease("d1"), world.lease("d1")};
  CHECK(held[2]);
  CHECK_FALSE(world.lease("d1"));
}

TEST_CASE("outlier detection: at most a share is ejected, the endpoints with most failures first") {
  World world(5, OutlierDetection{.consecutive_failures = 3, .panic_threshold = 0});  // at most two of five
  world.fail("d0", 3);
  world.fail("d1", 7);
  world.fail("d2", 5);
  CHECK(world.advance() == 2);
  CHECK(world.phase("d0") == EjectionPhase::none);
  CHECK(world.phase("d1") == EjectionPhase::ejected);
  CHECK(world.phase("d2") == EjectionPhase::ejected);
  CHECK(world.advance(10s) == 2);  // two are probed, so there is room for the third, if it fails again
  CHECK(world.phase("d0") == EjectionPhase::none);
  world.fail("d0", 3);
  CHECK(world.advance() == 1);
  CHECK(world.phase("d0") == EjectionPhase::ejected);
}

TEST_CASE("outlier detection: the last eligible endpoint is not ejected") {
  World world(2);
  REQUIRE(world.router.set_health("d0", pdroute::Health::unhealthy));
  world.fail("d1", 10);
  CHECK(world.advance() == 0);
  CHECK(world.router.decode()->id() == "d1");
  World alone(1);
  alone.fail("d0", 10);
  CHECK(alone.advance() == 0);
}

TEST_CASE("outlier detection: the last endpoint in full service is not ejected while another is probed") {
  World world(2);
  world.eject("d1");
  world.advance(10s);
  world.fail("d0", 10);
  CHECK(world.advance() == 0);
  CHECK(world.phase("d0") == EjectionPhase::none);
  const std::array held{world.router.decode(), world.router.decode(), world.router.decode()};
  CHECK((held[0] && held[1] && held[2]));
}

TEST_CASE("outlier detection: a probe is bounded only while another endpoint serves") {
  for (const double panic_threshold : {0.5, 0.0}) {
    World world(2, OutlierDetection{.consecutive_failures = 3, .panic_threshold = panic_threshold});
    world.eject("d1");
    world.advance(10s);
    REQUIRE(world.router.set_health("d0", pdroute::Health::unhealthy));
    {
      const std::array held{world.lease("d1"), world.lease("d1"), world.lease("d1")};
      CHECK(held[2]);
    }
    world.fail("d1", 5);
    CHECK(world.advance() == 0);  // the last endpoint stays, and is probed
    CHECK(world.phase("d1") == EjectionPhase::probing);
    CHECK_FALSE(world.router.set_capacity(Role::decode, "d1", {.requests = 2}));
    {
      const std::array held{world.lease("d1"), world.lease("d1"), world.lease("d1")};
      CHECK((held[1] && !held[2]));  // its capacity holds
    }
    REQUIRE(world.router.set_health("d0", pdroute::Health::healthy));
    const std::array held{world.lease("d1"), world.lease("d1")};
    CHECK((held[0] && !held[1]));
  }
}

TEST_CASE("outlier detection: the time of a spared endpoint ends in panic, it is not bounded until panic is over") {
  World world(8);
  for (const char* id : {"d0", "d1", "d2"}) world.eject(id);
  for (const char* id : {"d6", "d7"}) REQUIRE(world.router.set_health(id, pdroute::Health::unhealthy));
  REQUIRE(world.phase("d0") == EjectionPhase::spared);
  CHECK(world.advance(10s) == 3);
  {
    const std::array held{world.lease("d0"), world.lease("d0")};
    CHECK(held[1]);
  }
  REQUIRE(world.router.set_health("d6", pdroute::Health::healthy));  // panic is over
  CHECK(world.phase("d0") == EjectionPhase::probing);
  const std::array held{world.lease("d0"), world.lease("d0")};
  CHECK((held[0] && !held[1]));
}

TEST_CASE("outlier detection: panic returns ejected endpoints to service, unhealthy ones stay out") {
  World world(8);
  for (const char* id : {"d0", "d1", "d2"}) world.eject(id);
  for (const char* id : {"d6", "d7"}) REQUIRE(world.router.set_health(id, pdroute::Health::unhealthy));
  // Three of eight are eligible: less than half.
  CHECK(world.phase("d0") == EjectionPhase::spared);
  CHECK(world.status("d0").eligible());
  std::vector<std::string> seen;
  for (int i = 0; i < 60; ++i) seen.emplace_back(world.router.decode()->id());
  CHECK(std::count(seen.begin(), seen.end(), "d0") == 10);
  CHECK(std::count(seen.begin(), seen.end(), "d7") == 0);

  REQUIRE(world.router.set_health("d6", pdroute::Health::healthy));  // four are enough
  CHECK(world.phase("d0") == EjectionPhase::ejected);
  for (int i = 0; i < 20; ++i) CHECK(world.router.decode()->id() > "d2");
}

TEST_CASE("outlier detection: a probe fails and panic begins, the endpoint is spared and not bounded") {
  World world(4);
  world.eject("d1");
  world.advance(10s);
  world.fail("d1", 1);
  CHECK(world.advance() == 1);
  for (const char* id : {"d2", "d3"}) REQUIRE(world.router.set_health(id, pdroute::Health::unhealthy));
  REQUIRE(world.phase("d1") == EjectionPhase::spared);
  const auto one = world.lease("d1");
  const auto two = world.lease("d1");
  CHECK((one && two));
}

TEST_CASE("outlier detection: with panic_threshold 0 there is no panic, ejected endpoints stay out") {
  World world(8, OutlierDetection{.consecutive_failures = 3, .panic_threshold = 0});
  for (const char* id : {"d0", "d1", "d2"}) world.eject(id);
  for (const char* id : {"d4", "d5", "d6", "d7"}) REQUIRE(world.router.set_health(id, pdroute::Health::unhealthy));
  for (int i = 0; i < 20; ++i) CHECK(world.router.decode()->id() == "d3");
}

TEST_CASE("outlier detection: the reason counts ejected endpoints, and all counts add up") {
  World world(2, OutlierDetection{.consecutive_failures = 3, .panic_threshold = 0});
  world.eject("d0");
  REQUIRE(world.router.set_health("d1", pdroute::Health::unhealthy));
  const auto refused = world.router.decode();
  REQUIRE_FALSE(refused);
  CHECK(refused.error() ==
        pdroute::NoEndpoint{
            .role = Role::decode, .endpoints = 2, .unhealthy = 1, .ejected = 1, .until = world.status("d0").until});
  CHECK(refused.error().text() == "no decode endpoint: 1 unhealthy, 1 ejected of 2");
  CHECK_FALSE(refused.error().overloaded());
  CHECK(world.router.refusals(Role::decode) == pdroute::Refusals{.requests = 1, .unhealthy = 1, .ejected = 1});
  const auto explained = world.router.explain();
  CHECK(explained.decode.endpoints[0].ruled_out == "ejected");
}

TEST_CASE("outlier detection: a new incarnation is not ejected, and old leases' failures do not reach it") {
  World world(4);
  std::vector<Router::DecodeLease> old;
  for (int i = 0; i < 5; ++i) old.push_back(std::move(*world.lease("d3")));
  world.eject("d3");
  REQUIRE(world.router.assign(Role::decode, engines("d", 3)));
  REQUIRE(world.router.assign(Role::decode, engines("d", 4)));
  CHECK(world.phase("d3") == EjectionPhase::none);
  for (auto& lease : old) lease.fail(FailureKind::bad_response);
  CHECK(world.advance() == 0);
}

TEST_CASE("outlier detection: an assignment keeps an ejected endpoint, which stays ejected") {
  World world(4);
  world.eject("d1");
  REQUIRE(world.router.assign(Role::decode, engines("d", 5)));
  CHECK(world.phase("d1") == EjectionPhase::ejected);
  REQUIRE(world.router.set_health("d1", pdroute::Health::unhealthy));
  REQUIRE(world.router.set_health("d1", pdroute::Health::healthy));
  CHECK(world.phase("d1") == EjectionPhase::ejected);  // it answered health checks before, too
}

TEST_CASE("outlier detection: a draining endpoint is not probed, and a role change ends an ejection") {
  World world(4);
  world.eject("d1");
  REQUIRE(world.router.drain(Role::decode, "d1"));
  world.advance(60s);
  CHECK_FALSE(world.lease("d1"));
  world.eject("d2");
  CHECK(world.router.change_role("d2", Role::prefill) == pdroute::RoleChange::done);
  CHECK(world.router.endpoint(Role::prefill, "d2")->eligible());
}

TEST_CASE("outlier detection: the clock steps back, an ejection lasts at most max_ejection_time more") {
  World world(4, OutlierDetection{.consecutive_failures = 3, .base_ejection_time = 10s, .max_ejection_time = 20s});
  world.clock.set(1000s);
  world.eject("d1");
  world.clock.set(0s);
  CHECK(world.advance() == 0);
  CHECK(world.advance(20s) == 1);
  CHECK(world.phase("d1") == EjectionPhase::probing);
}

TEST_CASE("outlier detection: off without options or with 0 failures, empty braces mean the defaults") {
  const auto after_failures = [](Router::Options options) {
    ManualClock clock;
    const auto decode = engines("d", 4);
    options.decode = decode;
    options.clock = clock;
    auto router = Router::create(options).value();
    const auto d1 = [](const Engine& engine) { return engine.id == "d1"; };
    for (int i = 0; i < 5; ++i) router.decode({}, {.accept = d1})->fail(FailureKind::bad_response);
    return router.advance(clock.now()).size();
  };
  CHECK(after_failures({}) == 0);
  CHECK(after_failures({.outlier_detection = {.consecutive_failures = 0}}) == 0);
  CHECK(after_failures({.outlier_detection = {}}) == 1);
}

TEST_CASE("outlier detection: an empty router and a failure after the router is gone have no effect") {
  World empty(0);
  CHECK(empty.advance(100s) == 0);
  std::optional<Router::DecodeLease> lease;
  {
    World world(2);
    lease = world.lease("d1");
  }
  lease->fail(FailureKind::bad_response);
  CHECK_FALSE(*lease);
}

TEST_CASE("outlier detection: invalid options are refused when the router is created") {
  const auto refused = Router::create({.outlier_detection = {.probes = 0}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().rule == pdroute::ConfigError::Rule::outlier_detection_in_range);
}

TEST_CASE("outlier detection: a dispatcher sees an ejection at its next choice and rotates over the rest") {
  World world(3);
  auto dispatcher = world.router.dispatcher();
  world.eject("d1");
  std::vector<std::string> seen;
  for (int i = 0; i < 4; ++i) seen.emplace_back(dispatcher.decode()->id());
  CHECK(seen[0] != seen[1]);
  CHECK(seen[0] == seen[2]);
  CHECK(seen[1] == seen[3]);
}

TEST_CASE("outlier detection: an endpoint is ejected and paused for a time, its status tells the later end") {
  World world(4);
  world.eject("d0");
  const auto now = world.clock.now().time_since_epoch();
  CHECK(world.status("d0").until == now + 10s);
  REQUIRE(world.router.set_intake(Role::decode, "d0", pdroute::Intake::paused, 4s));
  CHECK(world.status("d0").until == now + 10s);
  REQUIRE(world.router.set_intake(Role::decode, "d0", pdroute::Intake::paused, 25s));
  CHECK(world.status("d0").until == now + 25s);
  world.advance(10s);
  CHECK(world.status("d0").ejection == EjectionPhase::probing);
  CHECK(world.status("d0").until == now + 25s);
}

TEST_CASE("outlier detection: one wrong reading of the clock does not keep the next time out long") {
  World world(3);
  const auto time_out = [&] { return *world.status("d0").until - world.clock.now().time_since_epoch(); };
  world.eject("d0");
  CHECK(time_out() == 10s);
  world.advance(10s);
  world.complete("d0");
  const auto right = world.clock.now().time_since_epoch();
  world.clock.set(right + 87'600h);
  world.advance();
  REQUIRE(world.phase("d0") == EjectionPhase::none);
  world.clock.set(right);
  world.advance(1s);
  world.advance(301s);
  world.eject("d0");
  CHECK(time_out() == 10s);
}
