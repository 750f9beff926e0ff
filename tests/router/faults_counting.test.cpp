// SPDX-License-Identifier: Apache-2.0
// Faults seen by running other gateways. Each test is named after one fault, and shows that this library does not have
// it. This file is about counts and lifetimes. faults_of_others.test.cpp is about choices and reasons.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"
#include "router/support.hpp"

namespace {

using pdroute::FailureKind;
using pdroute::Outcomes;
using pdroute::Role;
using pdroute::RoleChange;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;
using Capped = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

}  // namespace

TEST_CASE("fault: an endpoint that crashes leaks its in-flight count for ever") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  auto route = router.route();
  REQUIRE(router.assign(Role::decode, Engines{}));          // the endpoint crashes with a request running
  REQUIRE(router.assign(Role::decode, engines("d", 1)));    // and rejoins under its name
  CHECK(router.endpoints(Role::decode)[0].in_flight == 0);  // the new incarnation starts at zero
}

TEST_CASE("fault: an in-flight count of -5 for ever after remove and re-add") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  std::vector<Router::DecodeLease> old;
  for (int i = 0; i < 5; ++i) old.push_back(router.decode().value());
  REQUIRE(router.assign(Role::decode, Engines{}));
  REQUIRE(router.assign(Role::decode, engines("d", 1)));
  auto fresh = router.decode();
  old.clear();  // five late releases reach only the old incarnation
  CHECK(router.endpoints(Role::decode)[0].in_flight == 1);
}

TEST_CASE("fault: decode counts leak when the prefill partner leaves") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  auto route = router.route();
  REQUIRE(router.assign(Role::prefill, Engines{}));
  route->prefill.complete();
  route->decode.complete();
  CHECK(router.endpoints(Role::decode)[0].in_flight == 0);
}

TEST_CASE("fault: disconnects drive counts negative") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  {
    auto route = router.route();
    route->prefill.complete();  // first token; then the client disconnects and the lease is destroyed
  }
  CHECK(router.endpoints(Role::prefill)[0].in_flight == 0);
  CHECK(router.endpoints(Role::decode)[0].in_flight == 0);
}

TEST_CASE("fault: completing a request that never produced a byte leaves the prefill count at 1 for ever") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  {
    auto route = router.route();
    route->decode.complete();
  }
  CHECK(router.endpoints(Role::prefill)[0].in_flight == 0);
}

TEST_CASE("fault: an endpoint that crashes with a cap of 2 never serves again after rejoining") {
  auto router = Capped::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.requests = 2})}).value();
  auto dispatcher = router.dispatcher();
  std::vector<Capped::Route> lost;
  for (int crash = 0; crash < 3; ++crash) {
    for (int i = 0; i < 2; ++i) lost.push_back(dispatcher.route().value());
    CHECK_FALSE(dispatcher.route());
    REQUIRE(router.assign(Role::decode, Nodes{}));
    REQUIRE(router.assign(Role::decode, nodes("d", 1, {.requests = 2})));
  }
  lost.clear();  // late, and more leases than the new incarnation has
  CHECK(status(router, Role::decode, "d0").in_flight == 0);
  auto one = dispatcher.route();
  auto two = dispatcher.route();
  CHECK((one && two));
  CHECK_FALSE(dispatcher.route());
}

TEST_CASE("fault: cap exceeded by concurrent picks, when another pick comes between choosing and counting") {
  using Interleaved = pdroute::DisaggregatedRouter<Scripted, pdroute::RandomPolicy<>, Node>;
  const std::size_t n = GENERATE(1U, 2U);
  std::optional<Interleaved> router;
  std::vector<Interleaved::PrefillLease> others;
  Scripted policy;
  bool interfere = true;
  policy.rule = [&](std::size_t candidates) -> std::optional<std::size_t> {
    if (candidates == 0) return std::nullopt;
    if (std::exchange(interfere, false)) {  // before the choice is counted, another gateway thread takes the last place
      auto other = router->dispatcher();
      others.push_back(other.prefill().value());
    }
    return 0;
  };
  router.emplace(Interleaved::create(
                     {.prefill = nodes("p", n, {.requests = 1}), .decode = nodes("d", 1), .prefill_policy = policy})
                     .value());
  const auto route = router->dispatcher().route();
  CHECK(others.at(0).id() == "p0");
  CHECK(status(*router, Role::prefill, "p0").in_flight == 1);
  if (n == 1) {
    CHECK(route.error() == pdroute::NoEndpoint{.role = Role::prefill, .endpoints = 1, .full = 1});
  } else {
    CHECK(names(route) == "p1 d0");  // not refused, because p1 has room
  }
}

TEST_CASE("fault: cap exceeded by concurrent picks, in 143 of 300 trials") {
  int exceeded = 0;
  int served = 0;
  for (int trial = 0; trial < 300; ++trial) {
    auto router = Capped::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.requests = 1})}).value();
    std::atomic<int> ready = 0;
    std::vector<std::optional<Capped::DecodeLease>> leases(3);
    std::vector<std::thread> gateways;
    for (auto& lease : leases) {
      gateways.emplace_back([&] {
        auto dispatcher = router.dispatcher();
        for (++ready; ready < 3;) std::this_thread::yield();
        if (auto found = dispatcher.decode()) lease = std::move(*found);
      });
    }
    for (std::thread& gateway : gateways) gateway.join();
    for (const auto& endpoint : router.endpoints(Role::decode)) exceeded += endpoint.in_flight > 1 ? 1 : 0;
    for (const auto& lease : leases) served += lease ? 1 : 0;
  }
  CHECK(exceeded == 0);
  CHECK(served == 600);  // no place stays empty
}

TEST_CASE("fault: a role flip is a no-op") {
  auto router = Router::create({.prefill = engines("p", 2), .decode = engines("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  CHECK(router.change_role("p1", Role::decode) == RoleChange::done);
  int decodes = 0;
  for (int i = 0; i < 10; ++i) {
    const auto route = dispatcher.route().value();
    CHECK(route.prefill->id == "p0");
    decodes += route.decode->id == "p1" ? 1 : 0;
  }
  CHECK(decodes == 5);
}

TEST_CASE("fault: a role flip loses running requests, or counts them in the wrong role") {
  auto router = Router::create({.prefill = engines("p", 2), .decode = engines("d", 1)}).value();
  std::vector<Router::PrefillLease> running;
  for (int i = 0; i < 4; ++i) running.push_back(router.prefill().value());
  CHECK(router.change_role("p1", Role::decode) == RoleChange::done);
  CHECK(status(router, Role::prefill, "p1").in_flight == 2);
  CHECK(status(router, Role::decode, "p1").in_flight == 0);
  for (auto& lease : running) lease.complete();
  CHECK(status(router, Role::prefill, "p1").outcomes == Outcomes{.completed = 2});
  CHECK(status(router, Role::prefill, "p1").drained());
  CHECK(status(router, Role::decode, "p1").outcomes == Outcomes{});
}

TEST_CASE("fault: 429 opens breakers, and so does a client that disconnects") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  for (int i = 0; i < 50; ++i) router.decode().value().fail(FailureKind::overloaded);
  for (int i = 0; i < 50; ++i) static_cast<void>(router.decode());
  const Outcomes outcomes = status(router, Role::decode, "d0").outcomes;
  CHECK(outcomes.failed() == 0);
  CHECK(outcomes.overloaded == 50);
  CHECK(outcomes.cancelled == 50);
  router.decode().value().fail(FailureKind::timed_out);
  CHECK(status(router, Role::decode, "d0").outcomes.failed() == 1);
}

TEST_CASE("fault: prefill released twice by a cancel between first and last token") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  const auto other = router.route().value();
  {
    auto route = router.route().value();
    route.first_token();
    route.prefill.fail(FailureKind::bad_response);
    route.complete();
    route.complete();
    auto moved = std::move(route);
    moved.complete();
  }
  CHECK(status(router, Role::prefill, "p0").in_flight == 1);  // that of the other route
  CHECK(status(router, Role::decode, "d0").in_flight == 1);
  CHECK(status(router, Role::prefill, "p0").outcomes == Outcomes{.completed = 1});
}

TEST_CASE("fault: prefill load is not released at the first token, so requests in decode keep others out of prefill") {
  auto router = Capped::create({.prefill = nodes("p", 1, {.requests = 1}), .decode = nodes("d", 1)}).value();
  std::vector<Capped::Route> decoding;
  for (int i = 0; i < 10; ++i) {
    decoding.push_back(router.route().value());
    CHECK_FALSE(router.route());
    decoding.back().first_token();
  }
  CHECK(status(router, Role::decode, "d0").in_flight == 10);
}

TEST_CASE("fault: credit is given back at the next poll and not at completion") {
  auto router = Capped::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.requests = 1})}).value();
  auto dispatcher = router.dispatcher();
  auto first = dispatcher.decode().value();
  auto second = dispatcher.decode().value();
  for (int i = 0; i < 20; ++i) {  // without a poll, a report or time in between
    auto& ended = i % 3 == 0 ? first : second;
    ended.complete();
    ended = dispatcher.decode().value();
  }
}

TEST_CASE("fault: choose, then count: two picks before the first is counted take the same endpoint") {
  using Interleaved =
      pdroute::DisaggregatedRouter<pdroute::QpsPolicy<>, pdroute::QpsPolicy<>, Node, pdroute::ManualClock>;
  auto router = Interleaved::create({.prefill = nodes("p", 8), .decode = nodes("d", 8)}).value();
  std::vector<Interleaved::Dispatcher> gateways;
  for (int i = 0; i < 8; ++i) gateways.push_back(router.dispatcher());
  std::vector<Interleaved::Route> chosen;  // no request is sent yet
  for (auto& gateway : gateways) chosen.push_back(gateway.route().value());
  for (const Role role : {Role::prefill, Role::decode}) {
    for (const auto& endpoint : router.endpoints(role)) CHECK(endpoint.in_flight == 1);
  }
}

TEST_CASE("fault: a lease that went through a wire id or a callback is released twice, or never") {
  auto router = Capped::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.requests = 1})}).value();
  for (int i = 0; i < 20; ++i) {
    const auto id = router.detach(router.decode().value()).value();
    CHECK_FALSE(router.decode());  // counted while it is detached
    router.adopt<Role::decode>(id).value().complete();
    CHECK(router.adopt<Role::decode>(id).error() == pdroute::LeaseIdError::used);
  }
  CHECK(status(router, Role::decode, "d0").outcomes == Outcomes{.completed = 20});
}
