// SPDX-License-Identifier: Apache-2.0
// A life of an endpoint that has an incarnation key goes on when a list names the key again.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/load/latency.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/pdroute.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"
#include "pool/lease_on.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::EjectionPhase;
using pdroute::FailureKind;
using pdroute::Health;
using pdroute::Intake;
using pdroute::LastEndpoint;
using pdroute::Outcomes;
using pdroute::Role;
using pdroute::RoleChange;

struct Pod {
  std::string id;
  std::string incarnation;
  pdroute::Capacity capacity = {};
};
using Pods = std::vector<Pod>;
using Pool = pdroute::EndpointPool<Role::decode, Pod>;
using OtherPool = pdroute::EndpointPool<Role::prefill, Pod>;

Pods pods(std::size_t count) {
  Pods list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({"e" + std::to_string(i), "uid"});
  return list;
}
const auto anywhere = [](const auto& /*endpoint*/) { return true; };

template <class P>
std::vector<std::string> eligible(const P& pool) {
  std::vector<std::string> ids;
  const auto snapshot = pool.snapshot();
  for (std::size_t i = 0; i < snapshot->candidates().size(); ++i) ids.emplace_back(snapshot->candidates()[i].id());
  return ids;
}

}  // namespace

TEST_CASE("lives: an endpoint is missing from one list, its requests, counts and number are as they were") {
  Pool pool;
  const Pods list{{"a", "uid", {.requests = 2}}, {"b", "uid"}};
  REQUIRE(pool.assign(list));
  auto first = lease_on(pool, "a");
  lease_on(pool, "a").complete();
  const auto before = pool.endpoint("a").value();

  const auto gone = pool.assign(Pods{list[1]}).value();
  CHECK(gone.removed == std::vector<std::string>{"a"});
  CHECK_FALSE(lease_on(pool, "a"));
  const auto back = pool.assign(list).value();
  CHECK(back.added == std::vector<std::string>{"a"});

  const auto after = pool.endpoint("a").value();
  CHECK(after.incarnation == before.incarnation);
  CHECK(after.key == before.key);
  CHECK(after.in_flight == 1);
  CHECK(after.outcomes == Outcomes{.completed = 1});
  auto second = lease_on(pool, "a");
  CHECK(second);
  CHECK_FALSE(lease_on(pool, "a"));  // both of its two places are taken
  first.complete();
  CHECK(pool.endpoint("a")->in_flight == 1);
}

TEST_CASE("lives: an empty list for a moment loses nothing, however many members there are") {
  Pool pool;
  const Pods list = pods(3000);
  REQUIRE(pool.assign(list));
  CHECK(pool.set_health("e7", Health::unhealthy));
  CHECK(pool.set_intake("e8", Intake::paused));
  const auto before = pool.endpoints();
  for (int i = 0; i < 2; ++i) REQUIRE(pool.assign(Pods{}));
  CHECK(pool.endpoints().empty());
  REQUIRE(pool.assign(list));
  const auto after = pool.endpoints();
  REQUIRE(after.size() == 3000);
  CHECK(std::equal(before.begin(), before.end(), after.begin(),
                   [](const auto& a, const auto& b) { return a.id == b.id && a.incarnation == b.incarnation; }));
  CHECK(after[7].health == Health::unhealthy);
  CHECK(after[8].intake == Intake::paused);
}

TEST_CASE("lives: members are removed one by one and added again, and are the same lives") {
  Pool pool;
  const Pods list = pods(1500);
  REQUIRE(pool.assign(list));
  const auto before = pool.endpoints();
  for (const Pod& pod : list) REQUIRE(pool.remove(pod.id));
  for (const Pod& pod : list) REQUIRE_FALSE(pool.add(pod));
  const auto after = pool.endpoints();
  CHECK(after.front().incarnation == before.front().incarnation);
  CHECK(after.back().incarnation == before.back().incarnation);
}

TEST_CASE("lives: an ejected endpoint does not come back as a new one that serves at once") {
  Pool pool{{}, {.consecutive_failures = 2, .base_ejection_time = 10s, .panic_threshold = 0}};
  const Pods list = pods(3);
  REQUIRE(pool.assign(list));
  pdroute::ManualClock clock;
  for (int i = 0; i < 2; ++i) lease_on(pool, "e0").fail(FailureKind::unreachable);
  pool.advance(clock.now());
  REQUIRE(pool.endpoint("e0")->ejection == EjectionPhase::ejected);

  REQUIRE(pool.remove("e0"));
  clock.advance(5s);
  pool.advance(clock.now());
  REQUIRE_FALSE(pool.add(list[0]));
  CHECK(pool.endpoint("e0")->ejection == EjectionPhase::ejected);
  CHECK(eligible(pool) == std::vector<std::string>{"e1", "e2"});
  clock.advance(5s);
  pool.advance(clock.now());
  CHECK(pool.endpoint("e0")->ejection == EjectionPhase::probing);
}

TEST_CASE("lives: a life that drained still drains when its key is listed again, and another key is a new life") {
  Pool pool;
  REQUIRE(pool.assign(pods(2)));
  REQUIRE(pool.drain("e0"));
  REQUIRE(pool.remove("e0"));
  REQUIRE_FALSE(pool.add({"e0", "uid"}));
  CHECK(pool.endpoint("e0")->drained());
  CHECK(eligible(pool) == std::vector<std::string>{"e1"});
  REQUIRE_FALSE(pool.update({"e0", "another"}));
  CHECK(eligible(pool) == std::vector<std::string>{"e1", "e0"});
}

TEST_CASE("lives: a drain is final, also for a life that has left for the other role before") {
  Pool pool;
  OtherPool other;
  REQUIRE(pool.assign(pods(2)));
  REQUIRE(other.join(pool.leave("e0", LastEndpoint::take, anywhere)));
  REQUIRE(pool.drain("e0"));
  REQUIRE(pool.assign(pods(2)));
  CHECK(pool.endpoint("e0")->draining);
  CHECK(eligible(pool) == std::vector<std::string>{"e1"});
}

TEST_CASE(
    "lives: a life that drains is replaced by an endpoint from the other role, and still drains when it is back") {
  Pool pool;
  OtherPool other;
  REQUIRE(pool.assign(Pods{{"a", "blue"}}));
  const auto running = lease_on(pool, "a");
  REQUIRE(pool.drain("a"));
  REQUIRE(other.assign(Pods{{"a", "green"}}));
  REQUIRE(pool.join(other.leave("a", LastEndpoint::take, anywhere)));
  CHECK(eligible(pool) == std::vector<std::string>{"a"});
  REQUIRE_FALSE(pool.update({"a", "blue"}));
  CHECK(pool.endpoint("a")->incarnation == running.incarnation());
  CHECK(pool.endpoint("a")->draining);
  CHECK(pool.endpoint("a")->in_flight == 1);
}

TEST_CASE("lives: an endpoint that has left for the other role is listed again, its life goes on at once") {
  Pool pool{{}, {.consecutive_failures = 0}, 0, {.duration = 10s}};
  REQUIRE(pool.assign(pods(2)));
  const auto before = pool.endpoint("e0").value();
  CHECK(before.admitted_share == 1);
  REQUIRE(pool.leave("e0", LastEndpoint::take, anywhere).change == RoleChange::done);
  const auto report = pool.assign(pods(2)).value();
  CHECK(report.kept == std::vector<std::string>{"e0", "e1"});
  CHECK(report.removed.empty());
  CHECK(eligible(pool) == std::vector<std::string>{"e0", "e1"});
  CHECK(pool.endpoint("e0")->incarnation == before.incarnation);
  CHECK(pool.endpoint("e0")->admitted_share < 1);  // it starts slowly, as it is cold
  CHECK(pool.endpoint("e1")->admitted_share == 1);
}

TEST_CASE("lives: a life that was missing from a list starts slowly when it is back, unless the role was empty") {
  Pool pool{{}, {.consecutive_failures = 0}, 0, {.duration = 10s}};
  REQUIRE(pool.assign(pods(2)));
  REQUIRE(pool.remove("e0"));
  REQUIRE_FALSE(pool.add({"e0", "uid"}));
  CHECK(pool.endpoint("e0")->admitted_share < 1);
  pdroute::ManualClock clock;
  pool.advance(clock.now() + 1h);
  pool.advance(clock.now());  // the clock steps back, which prolongs it by no more than its duration
  CHECK(pool.endpoint("e0")->admitted_share < 1);
  pool.advance(clock.now() + 10s);
  CHECK(pool.endpoint("e0")->admitted_share == 1);
  REQUIRE(pool.assign(Pods{}));
  REQUIRE(pool.assign(pods(2)));
  CHECK(pool.endpoint("e0")->admitted_share == 1);
}

TEST_CASE("lives: an endpoint is back from the other role, it has its health from there and starts slowly") {
  OtherPool prefill{{}, {.consecutive_failures = 0}, 0, {.duration = 10s}};
  Pool decode{{}, {.consecutive_failures = 0}, 0, {.duration = 10s}};
  REQUIRE(prefill.assign(pods(2)));
  REQUIRE(decode.join(prefill.leave("e0", LastEndpoint::take, anywhere)));
  CHECK(decode.endpoint("e0")->admitted_share == 1);  // the role was empty
  REQUIRE(decode.set_health("e0", Health::unhealthy));
  REQUIRE(prefill.join(decode.leave("e0", LastEndpoint::take, anywhere)));
  CHECK(prefill.endpoint("e0")->health == Health::unhealthy);
  CHECK(prefill.endpoint("e0")->admitted_share < 1);
}

TEST_CASE("lives: an endpoint begins another life while it is asked whether it fits the other role, it stays") {
  Pool pool;
  REQUIRE(pool.assign(pods(2)));
  const auto departing = pool.leave("e0", LastEndpoint::take, [&](const Pod& /*endpoint*/) {
    REQUIRE_FALSE(pool.update({"e0", "another"}));
    return true;
  });
  CHECK(departing.change == RoleChange::no_such_endpoint);
  CHECK_FALSE(departing.endpoint);
  CHECK_FALSE(pool.endpoint("e0")->draining);
}

TEST_CASE("lives: two lives of one id that take turns each keep their own state") {
  Pool pool;
  REQUIRE_FALSE(pool.add({"a", "blue"}));
  const auto on_blue = lease_on(pool, "a");
  const auto blue = pool.endpoint("a")->incarnation;
  REQUIRE_FALSE(pool.update({"a", "green"}));
  const auto green = pool.endpoint("a")->incarnation;
  CHECK(green != blue);
  CHECK(pool.endpoint("a")->in_flight == 0);
  REQUIRE_FALSE(pool.update({"a", "blue"}));
  CHECK(pool.endpoint("a")->incarnation == blue);
  CHECK(pool.endpoint("a")->in_flight == 1);
  REQUIRE_FALSE(pool.update({"a", "green"}));
  CHECK(pool.endpoint("a")->incarnation == green);
}

TEST_CASE("lives: an endpoint changes its role and back, and its life goes on with requests that run from before") {
  OtherPool prefill;
  Pool decode;
  REQUIRE(prefill.assign(pods(2)));
  const auto running = lease_on(prefill, "e0");
  const auto before = prefill.endpoint("e0").value();
  REQUIRE(decode.join(prefill.leave("e0", LastEndpoint::take, anywhere)));
  auto answer = lease_on(decode, "e0");
  REQUIRE(prefill.join(decode.leave("e0", LastEndpoint::take, anywhere)));
  const auto after = prefill.endpoint("e0").value();
  CHECK(after.incarnation == before.incarnation);
  CHECK(after.in_flight == 1);
  CHECK_FALSE(after.draining);
  CHECK(lease_on(prefill, "e0"));

  const auto there = decode.endpoint("e0")->incarnation;
  REQUIRE(decode.join(prefill.leave("e0", LastEndpoint::take, anywhere)));
  CHECK(decode.endpoint("e0")->incarnation == there);
  CHECK(decode.endpoint("e0")->in_flight == 1);
}

TEST_CASE("lives: an endpoint that is back from the other role shows what was listed there last") {
  OtherPool prefill;
  Pool decode;
  REQUIRE(prefill.assign(Pods{{"a", "uid", {.requests = 1}}}));
  REQUIRE(decode.join(prefill.leave("a", LastEndpoint::take, anywhere)));
  REQUIRE(decode.assign(Pods{{"a", "uid", {.requests = 9}}}));
  REQUIRE(prefill.join(decode.leave("a", LastEndpoint::take, anywhere)));
  CHECK(prefill.endpoint("a")->capacity == pdroute::Capacity{.requests = 9});
  CHECK(lease_on(prefill, "a")->capacity == pdroute::Capacity{.requests = 9});
}

TEST_CASE("lives: an endpoint drained in a role, was removed there, and joins it again as a new life that serves") {
  OtherPool prefill;
  Pool decode;
  REQUIRE(decode.assign(pods(2)));
  const auto drained = decode.endpoint("e0")->incarnation;
  REQUIRE(decode.drain("e0"));
  REQUIRE(decode.remove("e0"));
  REQUIRE(prefill.assign(pods(2)));
  REQUIRE(decode.join(prefill.leave("e0", LastEndpoint::take, anywhere)));
  CHECK_FALSE(decode.endpoint("e0")->draining);
  CHECK(decode.endpoint("e0")->incarnation != drained);
  CHECK(lease_on(decode, "e0"));
}

TEST_CASE("lives: a pause with an end goes along into the other role, and ends there") {
  OtherPool prefill;
  Pool decode;
  const pdroute::ManualClock clock;
  REQUIRE(prefill.assign(pods(1)));
  REQUIRE(prefill.set_intake("e0", pdroute::Intake::paused, clock.now(), 5s));
  REQUIRE(decode.join(prefill.leave("e0", LastEndpoint::take, anywhere)));
  CHECK(decode.endpoint("e0")->until == clock.now().time_since_epoch() + 5s);
  decode.advance(clock.now() + 5s);
  CHECK(eligible(decode) == std::vector<std::string>{"e0"});
}

TEST_CASE("lives: a life that drained and joins again as a new one is let go") {
  struct Watched {
    std::string id;
    std::uint64_t incarnation;
    std::shared_ptr<int> copies;
  };
  const auto copies = std::make_shared<int>(0);
  {
    pdroute::EndpointPool<Role::decode, Watched> decode;
    pdroute::EndpointPool<Role::prefill, Watched> prefill;
    REQUIRE_FALSE(decode.add({"a", 7, copies}));
    REQUIRE(decode.drain("a"));
    REQUIRE(decode.remove("a"));
    REQUIRE_FALSE(prefill.add({"a", 7, copies}));
    REQUIRE(decode.join(prefill.leave("a", LastEndpoint::take, anywhere)));
    CHECK_FALSE(decode.endpoint("a")->draining);
  }
  CHECK(copies.use_count() == 1);
}

TEST_CASE("lives: what is remembered of departed lives is bounded, the oldest idle ones are forgotten first") {
  struct Watched {
    std::string id;
    std::uint64_t incarnation;
    std::shared_ptr<int> copies;
  };
  const auto copies = std::make_shared<int>(0);
  pdroute::EndpointPool<Role::decode, Watched> pool;
  REQUIRE_FALSE(pool.add({"busy", 0, copies}));
  auto busy = lease_on(pool, "busy");
  REQUIRE(pool.remove("busy"));
  for (std::uint64_t key = 1; key <= 5000; ++key) {  // a pod that crashes again and again
    REQUIRE_FALSE(pool.add({"pod", key, copies}));
    REQUIRE(pool.remove("pod"));
  }
  CHECK(copies.use_count() == 1 + 1024);
  REQUIRE_FALSE(pool.add({"busy", 0, copies}));
  CHECK(pool.endpoint("busy")->in_flight == 1);  // the oldest, and not forgotten, because its request runs
  busy.complete();

  const auto newest = [&] { return pool.endpoint("pod")->incarnation; };
  REQUIRE_FALSE(pool.add({"pod", 5000, copies}));
  CHECK(newest() == 5001);
  REQUIRE_FALSE(pool.update({"pod", 1, copies}));
  CHECK(newest() == 5002);  // forgotten, so a new life
}

TEST_CASE("lives: without a key, an endpoint that was missing from a list is a new life") {
  pdroute::EndpointPool<Role::decode, Engine> pool;
  REQUIRE(pool.assign(Engines{{"a"}}));
  const auto running = lease_on(pool, "a");
  CHECK(pool.set_health("a", Health::unhealthy));
  REQUIRE(pool.assign(Engines{}));
  REQUIRE(pool.assign(Engines{{"a"}}));
  CHECK(pool.endpoint("a")->in_flight == 0);
  CHECK(pool.endpoint("a")->health == Health::healthy);
  CHECK(pool.endpoint("a")->incarnation == 2);
}

TEST_CASE("lives: latency that was measured before a flap of the list still counts after it") {
  using Policy = pdroute::PeakEwmaPolicy;
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Policy, Pod, pdroute::ManualClock>;
  pdroute::ManualClock clock;
  const Pods decode{{"slow", "uid"}, {"fast", "uid"}};
  auto router = Router::create({.prefill = pods(1), .decode = decode, .clock = clock}).value();
  for (int i = 0; i < 20; ++i) {
    auto lease = router.decode().value();
    const auto takes = lease.id() == "slow" ? 900ms : 10ms;
    clock.advance(takes);
    lease.complete(clock.now());
  }
  REQUIRE(router.assign(Role::decode, Pods{}));
  REQUIRE(router.assign(Role::decode, decode));
  int fast = 0;
  for (int i = 0; i < 10; ++i) {
    auto lease = router.decode().value();
    fast += lease.id() == "fast" ? 1 : 0;
    lease.complete(clock.now() + 10ms);
  }
  CHECK(fast == 10);
}

TEST_CASE("lives: sessions stay with an endpoint over a flap of the list") {
  using Policy = pdroute::SessionAffinityPolicy<pdroute::RoundRobinPolicy<>>;
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Policy, Pod, pdroute::ManualClock>;
  const auto table = std::make_shared<pdroute::SessionTable>();
  const Pods decode = pods(4);
  pdroute::ManualClock clock;
  auto router =
      Router::create({.prefill = pods(1), .decode = decode, .decode_policy = {.sessions = table}, .clock = clock})
          .value();
  std::vector<std::string> homes;
  for (std::uint64_t s = 0; s < 20; ++s) {
    auto lease = router.decode(pdroute::Request{.key = pdroute::key(s)}).value();
    homes.emplace_back(lease.id());
    table->bind(pdroute::key(s), lease, clock.now());
    lease.complete();
  }
  REQUIRE(router.assign(Role::decode, Pods{}));
  REQUIRE(router.assign(Role::decode, decode));
  for (std::uint64_t s = 0; s < 20; ++s) {
    auto lease = router.decode(pdroute::Request{.key = pdroute::key(s)}).value();
    CHECK(lease.id() == homes[s]);
    lease.complete();
  }
}
