// SPDX-License-Identifier: Apache-2.0
// Faults seen by running other gateways, each as a test with its name: ours must not have them.
#include <chrono>
#include <cstdlib>
#include <map>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <set>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using pdroute::Role;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;
using QpsRouter =
    pdroute::DisaggregatedRouter<pdroute::QpsPolicy<>, pdroute::QpsPolicy<>, Engine, pdroute::ManualClock>;

}  // namespace

TEST_CASE("fault: an endpoint that crashes leaks its in-flight count for ever") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  auto route = router.route();
  REQUIRE(router.assign(Role::decode, Engines{}));          // it crashes with a request running
  REQUIRE(router.assign(Role::decode, engines("d", 1)));    // and rejoins under its name
  CHECK(router.endpoints(Role::decode)[0].in_flight == 0);  // the new life starts at zero
}

TEST_CASE("fault: an in-flight count of -5 for ever after remove and re-add") {
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  std::vector<Router::DecodeLease> old;
  for (int i = 0; i < 5; ++i) old.push_back(router.decode().value());
  REQUIRE(router.assign(Role::decode, Engines{}));
  REQUIRE(router.assign(Role::decode, engines("d", 1)));
  auto fresh = router.decode();
  old.clear();  // five late releases reach only the old life
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
    route->prefill.complete();  // first token, and then the client goes away: the lease is destroyed
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

TEST_CASE("fault: two cursors in lockstep use 2 of 4 pairs of 2P2D, and 8 of 64 of 8P8D") {
  const std::size_t n = GENERATE(2U, 8U);
  auto router = Router::create({.prefill = engines("p", n), .decode = engines("d", n)}).value();
  auto dispatcher = router.dispatcher();
  std::set<std::string> pairs;
  for (std::size_t i = 0; i < n * n; ++i) {
    const auto route = dispatcher.route();
    pairs.insert(route->prefill->id + route->decode->id);
  }
  CHECK(pairs.size() == n * n);
}

TEST_CASE("fault: two legs in lockstep, when both take the lowest rate and all rates are equal") {
  const auto [p, d] = GENERATE(table<std::size_t, std::size_t>({{2, 2}, {8, 8}, {2, 8}, {3, 5}, {8, 4}}));
  pdroute::ManualClock clock;
  auto router = QpsRouter::create({.prefill = engines("p", p), .decode = engines("d", d), .clock = clock}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, std::size_t> pairs;
  for (std::size_t i = 0; i < 4 * p * d; ++i) {
    const auto route = dispatcher.route();
    ++pairs[route->prefill->id + route->decode->id];
  }
  INFO(p << " x " << d);
  CHECK(pairs.size() == p * d);
  for (const auto& [pair, times] : pairs) CHECK(times == 4);
}

TEST_CASE("fault: two legs in lockstep, when both draw at random from one seed") {
  using Random = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
  auto router = Random::create({.prefill = engines("p", 4), .decode = engines("d", 4)}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> pairs;
  for (int i = 0; i < 16000; ++i) {
    const auto route = dispatcher.route();
    ++pairs[route->prefill->id + route->decode->id];
  }
  CHECK(pairs.size() == 16);
  for (const auto& [pair, times] : pairs) CHECK(std::abs(times - 1000) < 155);  // 5 sigma
}

TEST_CASE("fault: an endpoint without observations wins every comparison it is in") {
  pdroute::ManualClock clock;
  auto router = QpsRouter::create({.prefill = engines("p", 7), .decode = engines("d", 1), .clock = clock}).value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 700; ++i) static_cast<void>(dispatcher.prefill());
  clock.advance(std::chrono::seconds{61});                 // the others are idle now, with a past
  REQUIRE(router.assign(Role::prefill, engines("p", 8)));  // p7 has none
  std::map<std::string, int> count;
  for (int i = 0; i < 1000; ++i) ++count[(*dispatcher.prefill())->id];
  CHECK(count["p7"] == 125);
}

TEST_CASE("fault: a snapshot keyed by address returns another pool's endpoint") {
  // Routers made and destroyed in turn reuse memory; dispatchers made in between must never show the wrong one.
  for (int i = 0; i < 200; ++i) {
    const std::string name = "r" + std::to_string(i) + "-";
    std::optional<Router> router(Router::create({.prefill = engines(name, 2), .decode = engines(name, 2)}).value());
    auto dispatcher = router->dispatcher();
    router.reset();
    REQUIRE((*dispatcher.prefill())->id.starts_with(name));
  }
}

TEST_CASE("fault: a removed endpoint hit twice running, or a survivor skipped, because the rotation was re-sorted") {
  auto router = Router::create({.prefill = engines("p", 3), .decode = engines("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> count;
  for (int i = 0; i < 2; ++i) ++count[dispatcher.route()->prefill->id];
  REQUIRE(router.assign(Role::prefill, Engines{{"p1"}, {"p2"}}));
  for (int i = 0; i < 4; ++i) ++count[dispatcher.route()->prefill->id];
  CHECK(count["p1"] + count["p2"] == 5);
  CHECK(std::abs(count["p1"] - count["p2"]) <= 1);
}

TEST_CASE("fault: load counted at dispatch and not at choice, so choices in between herd") {
  pdroute::ManualClock clock;  // stands still: no report, no heartbeat, nothing but our own choices
  auto router = QpsRouter::create({.prefill = engines("p", 8), .decode = engines("d", 8), .clock = clock}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> count;
  for (int i = 0; i < 1000; ++i) {
    const auto route = dispatcher.route();
    ++count[route->prefill->id];
    ++count[route->decode->id];
  }
  for (const auto& [id, times] : count) CHECK(times == 125);
}
