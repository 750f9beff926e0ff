// SPDX-License-Identifier: Apache-2.0
// What speaks for an ejection and what does not: rows that act at once, shares of failures, silence, endings from
// before, rejected requests and push-back.
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"
#include "router/outlier_world.hpp"

using namespace outliers;

namespace {

/// A policy that always wants d0, as one does that takes what answers at once for idle.
using WantsD0 = pdroute::LowestCostPolicy<decltype([](const auto& c) { return c.id() == "d0" ? 0 : 1; }),
                                          pdroute::all_candidates, pdroute::TieRule::first>;
using Hole = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, WantsD0, Engine, ManualClock>;

Hole hole(ManualClock& clock, std::size_t each, const std::optional<OutlierDetection>& rules = OutlierDetection{}) {
  return Hole::create({.prefill = engines("p", 1),
                       .decode = engines("d", each),
                       .clock = clock,
                       .outlier_detection = rules.value_or(OutlierDetection{.consecutive_failures = 0})})
      .value();
}
EjectionPhase phase_of_d0(const Hole& router) {
  return router.endpoint(Role::decode, "d0")->ejection;
}
/// Of `requests`, one after the other, how many d0 gets; each of them ends by `how`.
template <class How>
int share_of_d0(Hole& router, int requests, const How& how) {
  int got = 0;
  for (int i = 0; i < requests; ++i) {
    auto lease = router.decode().value();
    if (lease.id() == "d0") {
      ++got;
      how(lease);
    } else {
      lease.complete();
    }
  }
  return got;
}
const auto fails = [](auto& lease) { lease.fail(FailureKind::unreachable); };
const auto refuses = [](auto& lease) { lease.fail(FailureKind::overloaded); };
const auto completes = [](auto& lease) { lease.complete(); };

}  // namespace

TEST_CASE("outlier rules: an endpoint refuses every connection, a full row of failures is all it gets") {
  ManualClock clock;
  auto router = hole(clock, 4);
  CHECK(share_of_d0(router, 1000, fails) == 5);  // before any step of time
  CHECK(phase_of_d0(router) == EjectionPhase::tripped);
  CHECK(router.explain().decode.endpoints[0].ruled_out == "ejected");
  CHECK(router.advance(clock.now()).size() == 1);
  CHECK(phase_of_d0(router) == EjectionPhase::ejected);
}

TEST_CASE("outlier rules: an endpoint whose row is full serves a request that no other can take") {
  World world(2);
  world.fail("d1", 3);
  CHECK(world.phase("d1") == EjectionPhase::tripped);
  const std::array<std::string_view, 1> only{"d1"};
  CHECK(world.router.decode({}, {.allowed = only}));
  REQUIRE(world.router.set_health("d0", pdroute::Health::unhealthy));
  CHECK(world.router.decode()->id() == "d1");
  CHECK(world.router.explain().decode.endpoints[1].chosen);
}

TEST_CASE("outlier rules: in panic a full row holds no endpoint back") {
  World world(4);
  for (const char* id : {"d2", "d3"}) REQUIRE(world.router.set_health(id, pdroute::Health::unhealthy));
  world.fail("d1", 3);
  CHECK(world.router.decode()->id() == world.router.decode()->id());  // two of four is no panic: d0 alone
  REQUIRE(world.router.set_health("d0", pdroute::Health::unhealthy));
  REQUIRE(world.router.set_health("d0", pdroute::Health::healthy));
  world.router.advance(world.clock.now());  // d1 is ejected, which is panic: it is spared
  REQUIRE(world.phase("d1") == EjectionPhase::spared);
  world.fail("d0", 3);
  const auto first = world.router.decode();
  const auto second = world.router.decode();
  CHECK(first->id() != second->id());
}

TEST_CASE("outlier rules: an endpoint that fails every second request is ejected") {
  World world(4, {});
  int ended = 0;
  for (; ended < 60 && world.phase("d1") == EjectionPhase::none; ++ended) {
    if (ended % 2 == 0) {
      world.fail("d1", 1);
    } else {
      world.complete("d1");
    }
    world.advance(100ms);
  }
  CHECK(world.phase("d1") == EjectionPhase::ejected);
  CHECK(ended <= 21);
}

TEST_CASE("outlier rules: failures below the share, too few requests or too long ago eject no endpoint") {
  World world(4, {});
  world.advance();
  const auto fail_of = [&](int failures, int requests) {
    for (int i = 0; i < requests; ++i) {
      if (i * failures / requests != (i + 1) * failures / requests) {
        world.fail("d1", 1);
      } else {
        world.complete("d1");
      }
    }
    return world.advance();
  };
  SECTION("29 of 100") {
    CHECK(fail_of(29, 100) == 0);
  }
  SECTION("30 of 100") {
    CHECK(fail_of(30, 100) == 1);
  }
  SECTION("9 of 19") {
    CHECK(fail_of(9, 19) == 0);
  }
  SECTION("6 of 20") {
    CHECK(fail_of(6, 20) == 1);
  }
  SECTION("in another window each") {
    CHECK(fail_of(5, 10) == 0);
    CHECK(world.advance(10s) == 0);
    CHECK(fail_of(5, 10) == 0);
  }
}

TEST_CASE("outlier rules: an endpoint hangs and clients give up, it is ejected after a silence") {
  World world(4, {});
  world.advance();
  std::vector<Router::DecodeLease> hung;
  int others_cancelled = 0;
  bool tokens = false;
  std::size_t changes = 0;
  int clients = 1;
  const auto pass = [&](std::chrono::seconds time) {
    for (std::chrono::seconds second{0}; second < time; second += 1s) {
      for (int i = 0; i < clients && world.phase("d1") == EjectionPhase::none; ++i)
        hung.push_back(world.lease("d1").value());
      if (hung.size() > 5) hung.erase(hung.begin(), hung.begin() + clients);  // cancelled after some seconds
      for (const char* id : {"d0", "d2", "d3"}) world.complete(id);
      for (int i = 0; i < others_cancelled; ++i) static_cast<void>(world.lease("d2"));
      changes += world.advance(1s);
      if (tokens && second == 20s) world.complete("d1");
    }
  };
  SECTION("the others answer") {
    pass(29s);
    CHECK(world.phase("d1") == EjectionPhase::none);
    pass(2s);
    CHECK(world.phase("d1") == EjectionPhase::ejected);
    CHECK(changes == 1);
  }
  SECTION("the others are cancelled as much: clients are impatient") {
    others_cancelled = 12;
    pass(40s);
    CHECK(changes == 0);
  }
  SECTION("it completes one now and then") {
    tokens = true;
    pass(40s);
    CHECK(changes == 0);
  }
  SECTION("a burst of long prefills is silent, but nobody gives up") {
    clients = 0;
    for (int i = 0; i < 5; ++i) hung.push_back(world.lease("d1").value());
    pass(60s);
    CHECK(changes == 0);
  }
}

TEST_CASE("outlier rules: old streams complete, and the row of new failures goes on") {
  World world(4);
  std::vector<Router::DecodeLease> old;
  for (int i = 0; i < 3; ++i) old.push_back(world.lease("d1").value());
  for (auto& stream : old) {
    world.fail("d1", 1);
    stream.complete();
  }
  CHECK(world.phase("d1") == EjectionPhase::tripped);
}

TEST_CASE("outlier rules: many old requests fail at once, which is one failure of a row") {
  World world(4);
  std::vector<Router::DecodeLease> old;
  for (int i = 0; i < 10; ++i) old.push_back(world.lease("d1").value());
  for (auto& stream : old) stream.fail(FailureKind::timed_out);
  CHECK(world.phase("d1") == EjectionPhase::none);
  world.fail("d1", 2);
  CHECK(world.phase("d1") == EjectionPhase::tripped);
}

TEST_CASE("outlier rules: back in service, requests of before eject an endpoint neither by share nor by silence") {
  World world(4, {.consecutive_failures = 3, .silence = 30s});
  std::vector<Router::DecodeLease> old;
  for (int i = 0; i < 50; ++i) old.push_back(world.lease("d1").value());
  world.eject("d1");
  world.advance(10s);
  auto marked = world.lease("d1").value();  // the probe goes on after it has proved the endpoint by its tokens
  auto dead = std::move(old.back());
  old.pop_back();
  marked.complete();
  REQUIRE(world.advance(1s) == 1);
  REQUIRE(world.phase("d1") == EjectionPhase::none);
  SECTION("they fail") {
    for (auto& stream : old) stream.fail(FailureKind::timed_out);
    CHECK(world.advance(1s) == 0);
    world.fail("d1", 2);
    CHECK(world.advance(1s) == 0);
    world.fail("d1", 1);
    CHECK(world.advance(1s) == 1);
  }
  SECTION("they are cancelled, while a new one is silent") {
    const auto prefill = world.lease("d1");
    for (int second = 0; second < 40; ++second) {
      old.pop_back();
      world.complete("d0");
      CHECK(world.advance(1s) == 0);
    }
  }
}

TEST_CASE("outlier rules: a probe of an earlier probing decides nothing") {
  World world(4);
  world.eject("d1");
  world.advance(10s);
  auto hung = world.lease("d1");
  world.advance(5min);  // without a word: ejected again
  REQUIRE(world.phase("d1") == EjectionPhase::ejected);
  world.advance(20s);
  REQUIRE(world.phase("d1") == EjectionPhase::probing);
  SECTION("by its completion") {
    hung->complete();
  }
  SECTION("by its failure") {
    hung->fail(FailureKind::timed_out);
  }
  SECTION("by its cancel") {
    hung.reset();
  }
  CHECK(world.advance() == 0);
  const auto probe = world.lease("d1");
  CHECK(probe);
  CHECK_FALSE(world.lease("d1"));
}

TEST_CASE("outlier rules: a rejected request is no failure, no completion and no proof") {
  World world(4);
  const auto reject = [&] { world.lease("d1").value().reject(); };
  SECTION("a hundred of them") {
    for (int i = 0; i < 100; ++i) reject();
    CHECK(world.advance() == 0);
    CHECK(world.status("d1").outcomes == pdroute::Outcomes{.rejected = 100});
  }
  SECTION("in the middle of a row") {
    world.fail("d1", 2);
    reject();
    world.fail("d1", 1);
    CHECK(world.phase("d1") == EjectionPhase::tripped);
  }
  SECTION("as a probe: another one may try at once") {
    world.eject("d1");
    world.advance(10s);
    reject();
    CHECK(world.advance() == 0);
    CHECK(world.phase("d1") == EjectionPhase::probing);
    world.complete("d1");
    CHECK(world.advance() == 1);
  }
}

TEST_CASE("outlier rules: an endpoint that pushes back passes over 8 requests that want it, then 16, and so on") {
  ManualClock clock;
  const bool on = GENERATE(true, false);
  auto router = hole(clock, 4, on ? std::optional{OutlierDetection{}} : std::nullopt);
  CHECK(share_of_d0(router, 1, refuses) == 1);
  CHECK(share_of_d0(router, 8, refuses) == 0);
  CHECK(share_of_d0(router, 1, refuses) == 1);
  CHECK(share_of_d0(router, 16, refuses) == 0);
  CHECK(share_of_d0(router, 10'000, refuses) < 30);
  // When it takes requests again, it gets them as before.
  CHECK(share_of_d0(router, 1000, completes) > 400);
  CHECK(share_of_d0(router, 10, completes) == 10);
}

TEST_CASE("outlier rules: a step of time lets the next request try an endpoint that has pushed back") {
  ManualClock clock;
  auto router = hole(clock, 4);
  for (int i = 0; i < 3; ++i) CHECK(share_of_d0(router, 100, refuses) > 0);
  CHECK(share_of_d0(router, 2, refuses) == 0);
  static_cast<void>(router.advance(clock.now()));
  CHECK(share_of_d0(router, 2, refuses) == 1);
}

TEST_CASE("outlier rules: an endpoint that fails once and then pushes back does not look idle") {
  ManualClock clock;
  auto router = hole(clock, 4);
  CHECK(share_of_d0(router, 1, fails) == 1);
  CHECK(share_of_d0(router, 1000, refuses) < 10);
}

TEST_CASE("outlier rules: a probe that is pushed back does not give its place to request after request") {
  ManualClock clock;
  auto router = hole(clock, 4);
  CHECK(share_of_d0(router, 10, fails) == 5);
  static_cast<void>(router.advance(clock.now()));
  clock.advance(10s);
  static_cast<void>(router.advance(clock.now()));
  REQUIRE(phase_of_d0(router) == EjectionPhase::probing);
  CHECK(share_of_d0(router, 1000, refuses) == 1);
  static_cast<void>(router.advance(clock.now()));
  CHECK(share_of_d0(router, 1000, completes) == 1);
}

TEST_CASE("outlier rules: all endpoints push back, requests still find one") {
  World world(2);
  for (int i = 0; i < 20; ++i) {
    auto lease = world.router.decode();
    REQUIRE(lease);
    lease->fail(FailureKind::overloaded);
  }
}

TEST_CASE("outlier rules: requests with filters alone also end a back-off") {
  World world(2);
  const std::array<std::string_view, 2> both{"d0", "d1"};
  world.router.decode({}, {.allowed = std::span(both).first(1)})->fail(FailureKind::overloaded);
  int others = 0;
  while (others < 100 && world.router.decode({}, {.allowed = both})->id() != "d0") ++others;
  CHECK(others >= 7);
  CHECK(others <= 9);
}

TEST_CASE("outlier rules: members that drain or rest count for no share, so a failing one is ejected beside them") {
  World world(9);
  for (const char* id : {"d4", "d5", "d6"}) REQUIRE(world.router.drain(Role::decode, id));
  for (const char* id : {"d7", "d8"}) REQUIRE(world.router.set_intake(Role::decode, id, pdroute::Intake::paused));
  world.eject("d0");
  CHECK_FALSE(world.status("d0").eligible());
  for (int i = 0; i < 20; ++i) CHECK(world.router.decode()->id() != "d0");
  world.eject("d1");
  world.fail("d2", 3);
  CHECK(world.advance() == 0);  // two of the four that count are out
}

TEST_CASE("outlier rules: an ejected endpoint that is unhealthy, too, does not use up the share") {
  World world(4, {.consecutive_failures = 3, .max_ejected_share = 0.25, .panic_threshold = 0});
  world.eject("d0");
  REQUIRE(world.router.set_health("d0", pdroute::Health::unhealthy));
  world.eject("d1");
}

TEST_CASE("outlier rules: a probe that finds no room is still there when there is room") {
  ManualClock clock;
  auto router = hole(clock, 3, OutlierDetection{.consecutive_failures = 1});
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.requests = 1}));
  auto old = router.decode().value();
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.requests = 2}));
  router.decode().value().fail(FailureKind::bad_response);
  static_cast<void>(router.advance(clock.now()));
  clock.advance(10s);
  static_cast<void>(router.advance(clock.now()));
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.requests = 1}));
  CHECK(router.decode()->id() != "d0");
  old.complete();
  CHECK(router.decode()->id() == "d0");
}

TEST_CASE("outlier rules: an endpoint is ejected with a probe left, which does not begin in an old list") {
  pdroute::EndpointPool<Role::decode, Engine> pool{{}, OutlierDetection{.consecutive_failures = 1, .probes = 2}};
  REQUIRE(pool.assign(engines("d", 3)));
  const auto old_list = pool.snapshot();
  auto* const d0 = old_list->candidates().slot(0);
  using Slot = std::remove_pointer_t<decltype(d0)>;
  Slot::Held held{};
  const auto lease = [&] { return pdroute::Lease<Slot>{d0->try_reserve(pdroute::Request{}, held).place}; };
  const auto at = [](auto time) { return ManualClock::time_point{time}; };
  lease().fail(FailureKind::bad_response);
  REQUIRE(pool.advance(at(0s)).size() == 1);
  REQUIRE(pool.advance(at(10s)).size() == 1);
  lease().fail(FailureKind::bad_response);
  REQUIRE(pool.advance(at(11s)).size() == 1);
  CHECK(d0->try_reserve(pdroute::Request{}, held, true).place == nullptr);
}

TEST_CASE("outlier rules: a probe fails beyond the share that may be ejected, the endpoint is probed again") {
  World world(3, {.consecutive_failures = 1, .panic_threshold = 0});
  world.fail("d0", 1);
  REQUIRE(world.advance() == 1);
  REQUIRE(world.advance(10s) == 1);
  world.fail("d0", 1);
  auto running = std::array{world.lease("d2"), world.lease("d2")};
  world.fail("d2", 1);
  for (auto& lease : running) lease->fail(FailureKind::bad_response);
  CHECK(world.advance(1s) == 1);
  const bool d0_stays = world.phase("d0") == EjectionPhase::probing;
  CHECK(world.phase(d0_stays ? "d2" : "d0") == EjectionPhase::ejected);
  CHECK(world.lease(d0_stays ? "d0" : "d2"));
}

TEST_CASE("outlier rules: outlier detection is off, failures mark nothing and close no gate") {
  pdroute::EndpointPool<Role::decode, Engine> pool;
  REQUIRE(pool.assign(engines("d", 2)));
  auto* const slot = pool.snapshot()->candidates().slot(0);
  using Slot = std::remove_pointer_t<decltype(slot)>;
  for (int i = 0; i < 100; ++i) {
    Slot::Held held{};
    pdroute::Lease<Slot> lease{slot->try_reserve(pdroute::Request{}, held).place};
    CHECK(slot->admission().marked() == 0);
    if (i % 3 == 0) lease.fail(FailureKind::timed_out);
    if (i % 3 == 1) lease.reject();
  }
  CHECK(slot->admission().state().what() == pdroute::detail::Admission::Mode::open);
  CHECK(slot->limit() == pdroute::Capacity::max_requests);
}

TEST_CASE("outlier rules: in a role that counts no tokens, the first token proves a probe whose answer takes long") {
  World world(3, {.consecutive_failures = 3, .max_ejection_time = 30s});
  const auto to_d0 = [](const Engine& engine) { return engine.id == "d0"; };
  const auto route = [&] { return world.router.route({}, {.decode = {.accept = to_d0}}); };
  world.eject("d0");
  world.advance(10s);
  REQUIRE(world.phase("d0") == EjectionPhase::probing);
  const auto ways = GENERATE(0, 1, 2);
  auto probe = route().value();
  world.advance(1s);
  REQUIRE(world.phase("d0") == EjectionPhase::probing);
  if (ways == 0) probe.first_token();
  if (ways == 1) probe.first_token(world.clock.now());
  if (ways == 2) probe.decode.first_token();
  world.advance(1s);
  CHECK(world.phase("d0") == EjectionPhase::none);
  world.advance(60s);
  CHECK(world.phase("d0") == EjectionPhase::none);
  probe.complete();
  probe.decode.first_token();  // no effect
  CHECK(world.status("d0").outcomes.completed == 1);
}

TEST_CASE("outlier rules: in a role that counts no tokens, first tokens are signs of life") {
  World world(2, {.consecutive_failures = 5, .silence = 30s});
  world.advance();
  world.complete("d1");
  auto running = world.lease("d0").value();
  const bool gives_tokens = GENERATE(true, false);
  for (int s = 0; s < 35; ++s) {
    if (auto one = world.lease("d0")) {  // unless it is ejected by now
      if (gives_tokens && s % 10 == 0) one->first_token();
      one->cancel();  // the client gives up
    }
    world.complete("d1");
    world.advance(1s);
  }
  CHECK(world.phase("d0") == (gives_tokens ? EjectionPhase::none : EjectionPhase::ejected));
}

TEST_CASE("outlier rules: progress of no tokens is no sign of life") {
  using Counts =
      pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::LeastTokensPolicy, Engine, ManualClock>;
  ManualClock clock;
  auto router = Counts::create({.prefill = engines("p", 1),
                                .decode = engines("d", 2),
                                .clock = clock,
                                .outlier_detection = {.consecutive_failures = 1, .panic_threshold = 0}})
                    .value();
  const auto to_d0 = [&] {
    return router.decode({}, {.accept = [](const Engine& engine) { return engine.id == "d0"; }});
  };
  to_d0().value().fail(FailureKind::timed_out);
  router.advance(clock.now());
  clock.advance(10s);
  router.advance(clock.now());
  auto probe = to_d0().value();
  probe.progress(std::uint64_t{0});
  router.advance(clock.now());
  CHECK(router.endpoint(Role::decode, "d0")->ejection == EjectionPhase::probing);
  probe.progress(std::uint64_t{1});
  router.advance(clock.now());
  CHECK(router.endpoint(Role::decode, "d0")->ejection == EjectionPhase::none);
}
