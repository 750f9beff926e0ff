// SPDX-License-Identifier: Apache-2.0
// Roles that measure how long requests take: leases are ended with the time, and new endpoints count as typical.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::ManualClock;
using pdroute::PeakEwmaPolicy;
using pdroute::Role;
template <class Prefill, class Decode = Prefill>
using Router = pdroute::DisaggregatedRouter<Prefill, Decode, Engine, ManualClock>;
using Fastest = pdroute::LowestCostPolicy<pdroute::MeanLatency>;
using Soonest = pdroute::LowestCostPolicy<pdroute::MeanTimeToFirstToken>;

template <class R>
R router_of(std::size_t each, const ManualClock& clock) {
  return R::create({.prefill = engines("p", each), .decode = engines("d", each), .clock = clock}).value();
}

/// Serves `requests` requests in virtual time, one after each `gap`. `time_of` is the time that an endpoint takes.
/// Returns the number of requests of each endpoint.
template <class Router, class TimeOf>
std::map<std::string, int> serve(Router& router, ManualClock& clock, int requests, std::chrono::nanoseconds gap,
                                 const TimeOf& time_of) {
  std::multimap<ManualClock::time_point, typename Router::PrefillLease> running;
  std::map<std::string, int> given;
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < requests; ++i) {
    const auto next = clock.now() + gap;
    while (!running.empty() && running.begin()->first <= next) {
      clock.set(running.begin()->first.time_since_epoch());
      running.begin()->second.complete(clock.now());
      running.erase(running.begin());
    }
    clock.set(next.time_since_epoch());
    auto lease = dispatcher.prefill();
    REQUIRE(lease);
    ++given[std::string(lease->id())];
    const auto end = clock.now() + time_of(lease->id());
    running.emplace(end, std::move(*lease));
  }
  for (auto& [end, lease] : running) {
    clock.set(end.time_since_epoch());
    lease.complete(clock.now());
  }
  return given;
}

}  // namespace

TEST_CASE("time: the latency of a request lasts from its choice to complete(now)") {
  ManualClock clock;
  auto router = router_of<Router<Fastest, pdroute::RandomPolicy<>>>(2, clock);
  auto dispatcher = router.dispatcher();
  auto slow = dispatcher.prefill();
  auto fast = dispatcher.prefill();
  const std::string quick{fast->id()};
  REQUIRE(slow->id() != quick);
  clock.advance(1s);
  fast->complete(clock.now());
  clock.advance(1s);
  slow->complete(clock.now());
  for (int i = 0; i < 4; ++i) CHECK(dispatcher.prefill()->id() == quick);  // cancelled: no samples
}

TEST_CASE("time: two requests are chosen at different times, each latency starts at its own choice") {
  ManualClock clock;
  auto router = router_of<Router<Fastest, pdroute::RandomPolicy<>>>(2, clock);
  auto dispatcher = router.dispatcher();
  clock.advance(100s);
  auto slow = dispatcher.prefill();
  clock.advance(3s);
  slow->complete(clock.now());
  auto fast = dispatcher.prefill();
  const std::string quick{fast->id()};
  clock.advance(1s);
  fast->complete(clock.now());
  for (int i = 0; i < 4; ++i) CHECK(dispatcher.prefill()->id() == quick);
}

TEST_CASE("time: an early failure or a cancel adds no latency sample") {
  ManualClock clock;
  auto router = router_of<Router<Fastest, pdroute::RandomPolicy<>>>(2, clock);
  auto dispatcher = router.dispatcher();
  auto good = dispatcher.prefill();
  auto bad = dispatcher.prefill();
  const std::string works{good->id()};
  clock.advance(1s);
  good->complete(clock.now());
  clock.advance(9s);  // the weight of the good endpoint's sample has decayed to about a third
  bad->fail(pdroute::FailureKind::unreachable);
  std::map<std::string, int> chosen;
  for (int i = 0; i < 10; ++i) ++chosen[std::string(dispatcher.prefill()->id())];
  CHECK(chosen[works] == 5);  // the other one is unknown, so it counts as typical
}

TEST_CASE("time: route->first_token(now) ends prefill and gives decode its time to first token") {
  ManualClock clock;
  auto router = router_of<Router<Fastest, Soonest>>(2, clock);
  auto dispatcher = router.dispatcher();
  auto one = dispatcher.route();
  auto two = dispatcher.route();
  REQUIRE((one && two));
  const std::string quick_prefill{two->prefill.id()};
  const std::string quick_decode{two->decode.id()};
  REQUIRE(one->decode.id() != quick_decode);
  clock.advance(1s);
  two->first_token(clock.now());
  clock.advance(4s);
  one->first_token(clock.now());
  one->complete(clock.now());
  for (int i = 0; i < 4; ++i) {
    const auto next = dispatcher.route();
    CHECK(next->prefill.id() == quick_prefill);
    CHECK(next->decode.id() == quick_decode);  // although its lease still runs
  }
}

TEST_CASE("time: first_token is told twice, the first time counts") {
  ManualClock clock;
  auto router = router_of<Router<pdroute::RandomPolicy<>, Soonest>>(2, clock);
  auto dispatcher = router.dispatcher();
  auto quick = dispatcher.route();
  auto other = dispatcher.route();
  const std::string quick_decode{quick->decode.id()};
  REQUIRE(other->decode.id() != quick_decode);
  clock.advance(1s);
  quick->first_token(clock.now());
  clock.advance(1s);
  other->first_token(clock.now());
  clock.advance(8s);
  quick->first_token(clock.now());
  quick->decode.first_token(clock.now());
  for (int i = 0; i < 4; ++i) CHECK(dispatcher.route()->decode.id() == quick_decode);
}

TEST_CASE("time: a role that measures no time accepts it and ends leases as usual") {
  ManualClock clock;
  auto router = router_of<Router<pdroute::LeastTokensPolicy>>(1, clock);
  auto dispatcher = router.dispatcher();
  auto route = dispatcher.route({.prompt_tokens = 5});
  route->first_token(clock.now());
  CHECK_FALSE(route->prefill);
  route->complete(clock.now());
  CHECK(router.endpoints(Role::decode)[0].in_flight == 0);
  CHECK(router.endpoints(Role::decode)[0].outcomes.completed == 1);
}

TEST_CASE("time: a detached lease keeps its start time") {
  ManualClock clock;
  auto router = router_of<Router<Fastest, pdroute::RandomPolicy<>>>(2, clock);
  auto dispatcher = router.dispatcher();
  auto slow = dispatcher.prefill();
  auto fast = dispatcher.prefill();
  const std::string quick{fast->id()};
  const auto id = router.detach(std::move(*slow));
  REQUIRE(id);
  clock.advance(1s);
  fast->complete(clock.now());
  clock.advance(5s);
  auto again = router.adopt<Role::prefill>(*id);
  REQUIRE(again);
  again->complete(clock.now());
  CHECK(dispatcher.prefill()->id() == quick);
}

TEST_CASE("time: peak EWMA gives a slow endpoint fewer requests") {
  ManualClock clock;
  auto router = router_of<Router<PeakEwmaPolicy>>(4, clock);
  const auto given = serve(router, clock, 4000, 50ms, [](auto id) { return id == "p0" ? 3200ms : 400ms; });
  CHECK(given.at("p0") < given.at("p1") / 3);
  CHECK(given.at("p0") > 0);
}

TEST_CASE("time: peak EWMA avoids a slow endpoint, and returns to it once it is fast again") {
  ManualClock clock;
  auto router = router_of<Router<PeakEwmaPolicy>>(2, clock);
  bool slow = true;
  const auto time_of = [&](auto id) { return id == "p0" && slow ? 4s : 400ms; };
  const auto before = serve(router, clock, 1000, 100ms, time_of);
  CHECK(before.at("p0") < before.at("p1") / 2);
  slow = false;
  serve(router, clock, 600, 100ms, time_of);  // a minute for the average to recover
  const auto after = serve(router, clock, 2000, 100ms, time_of);
  CHECK(after.at("p0") == Approx(1000).epsilon(0.1));
}

TEST_CASE("time: a new endpoint joins seven others, it gets an equal share") {
  ManualClock clock;
  auto router = router_of<Router<PeakEwmaPolicy>>(7, clock);
  const auto time_of = [](auto /*id*/) { return 2s; };
  serve(router, clock, 2000, 50ms, time_of);
  REQUIRE(router.assign(Role::prefill, engines("p", 8)));
  const auto given = serve(router, clock, 8000, 50ms, time_of);
  CHECK(given.at("p7") == Approx(1000).epsilon(0.1));
}

TEST_CASE("time: one of eight endpoints was idle for long, it gets an equal share") {
  ManualClock clock;
  auto router = router_of<Router<PeakEwmaPolicy>>(8, clock);
  const auto time_of = [](auto /*id*/) { return 2s; };
  serve(router, clock, 1000, 50ms, time_of);
  REQUIRE(router.set_health("p7", pdroute::Health::unhealthy));
  serve(router, clock, 20'000, 50ms, time_of);
  REQUIRE(router.set_health("p7", pdroute::Health::healthy));
  std::vector<Router<PeakEwmaPolicy>::PrefillLease> held;  // no lease ends yet, so only its old samples count
  std::map<std::string, int> given;
  for (int i = 0; i < 1000; ++i) {
    held.push_back(router.prefill().value());
    ++given[std::string(held.back().id())];
  }
  CHECK(given.at("p7") == Approx(125).epsilon(0.1));
  for (auto& lease : held) lease.complete(clock.now());
}

TEST_CASE("fault: an unobserved server wins every comparison it is in (245 of 1000 picks, fair share 125)") {
  ManualClock clock;
  auto router = router_of<Router<PeakEwmaPolicy>>(7, clock);
  serve(router, clock, 2000, 50ms, [](auto /*id*/) { return 400ms; });
  REQUIRE(router.assign(Role::prefill, engines("p", 8)));
  std::map<std::string, int> given;
  auto dispatcher = router.dispatcher();
  std::vector<Router<PeakEwmaPolicy>::PrefillLease> held;
  for (int i = 0; i < 1000; ++i) {
    auto lease = dispatcher.prefill();
    ++given[std::string(lease->id())];
    held.push_back(std::move(*lease));
  }
  for (const auto& [id, count] : given) CHECK(count == Approx(125).epsilon(0.1));
}

TEST_CASE("time: late completions of an old incarnation do not reach the new one") {
  ManualClock clock;
  auto router = router_of<Router<PeakEwmaPolicy>>(2, clock);
  std::vector<Router<PeakEwmaPolicy>::PrefillLease> old;
  for (int i = 0; i < 10; ++i) old.push_back(router.prefill().value());
  REQUIRE(router.assign(Role::prefill, engines("p", 1)));
  REQUIRE(router.assign(Role::prefill, engines("p", 2)));
  clock.advance(1s);
  for (auto& lease : old) lease.complete(clock.now());
  for (const auto& endpoint : router.endpoints(Role::prefill)) CHECK(endpoint.in_flight == 0);
  CHECK(router.endpoint(Role::prefill, "p1")->outcomes.completed == 0);  // the completions were not its own
}
