// SPDX-License-Identifier: Apache-2.0
// Turns and rotating ties in a router: where they start, what moves them, and where they go on after a change.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::Health;
using pdroute::Intake;
using pdroute::LeastRequestPolicy;
using pdroute::Role;
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;
using Ids = std::vector<std::string_view>;
using OwnTurns = RoundRobinPolicy<Rotation::per_dispatcher>;
using Shares = std::map<std::string, int>;

template <class Policy>
auto site(std::size_t prefill, std::size_t decode, std::uint64_t seed = 0) {
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Node, pdroute::ManualClock>;
  return Router::create({.prefill = nodes("p", prefill), .decode = nodes("d", decode), .seed = seed}).value();
}

/// The decode endpoint that one request is given; it ends at once.
template <class... Filter>
std::string one(auto& dispatcher, const Filter&... filter) {
  auto lease = dispatcher.decode({}, filter...).value();
  std::string id(lease.id());
  lease.complete();
  return id;
}

int spread(const Shares& shares) {
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end(),
                                                 [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->second - least->second;
}

}  // namespace

TEMPLATE_TEST_CASE("the endpoint chosen last pauses, and the next one is its successor", "", LeastRequestPolicy,
                   OwnTurns) {
  auto router = site<TestType>(1, 3);
  auto dispatcher = router.dispatcher();
  CHECK(one(dispatcher) == "d0");
  CHECK(router.set_intake(Role::decode, "d0", Intake::paused));
  CHECK(dispatcher.explain({}, {}).decode.text().find("decode: d1") == 0);  // before the dispatcher has seen the change
  CHECK(one(dispatcher) == "d1");
  CHECK(router.set_intake(Role::decode, "d0", Intake::accepting));
  CHECK(one(dispatcher) == "d2");
  CHECK(one(dispatcher) == "d0");
}

TEMPLATE_TEST_CASE("an endpoint comes and goes at any rate, and the others take strict turns", "", LeastRequestPolicy,
                   OwnTurns) {
  const std::size_t n = GENERATE(3U, 4U, 7U);
  const int period = GENERATE(1, 2, 3, 5, 11);
  const std::string flapping = GENERATE("d0", "d1", "d2");
  auto router = site<TestType>(1, n);
  auto dispatcher = router.dispatcher();
  Shares shares;
  bool up = true;
  for (int i = 0; i < 600; ++i) {
    if (i % period == 0) {
      up = !up;
      CHECK(router.set_health(flapping, up ? Health::healthy : Health::unhealthy));
    }
    const std::string id = one(dispatcher);
    if (id != flapping) ++shares[id];
  }
  INFO("one of " << n << " changes after every " << period << " requests");
  CHECK(shares.size() == n - 1);
  CHECK(spread(shares) <= 1);
}

TEMPLATE_TEST_CASE("an endpoint comes and goes in step with the pairs, and the others share on average", "",
                   LeastRequestPolicy, OwnTurns) {
  const std::size_t n = GENERATE(3U, 5U, 6U);
  const int period = GENERATE(3, 6, 8);
  auto router = site<TestType>(n, n);
  auto dispatcher = router.dispatcher();
  Shares shares;
  for (int i = 0; i < 3000; ++i) {
    if (i % period == 0) CHECK(router.set_health("d0", i / period % 2 == 0 ? Health::unhealthy : Health::healthy));
    const std::string id(dispatcher.route()->decode.id());
    if (id != "d0") ++shares[id];
  }
  INFO("one of " << n << " changes after every " << period << " requests");
  CHECK(spread(shares) < 1000 / static_cast<int>(n));
}

TEMPLATE_TEST_CASE("an endpoint comes and goes, and the others share on average", "", RoundRobinPolicy<>,
                   pdroute::WeightedRoundRobinPolicy) {
  const int period = GENERATE(1, 2, 3, 10);
  using Router = pdroute::DisaggregatedRouter<TestType, TestType, Node, pdroute::ManualClock>;
  auto router = Router::create({.prefill = nodes("p", 3), .decode = nodes("d", 3)}).value();
  auto dispatcher = router.dispatcher();
  Shares prefill;
  Shares decode;
  for (int i = 0; i < 6000; ++i) {
    if (i % period == 0) CHECK(router.set_health("d0", i / period % 2 == 0 ? Health::unhealthy : Health::healthy));
    auto route = dispatcher.route().value();
    ++prefill[std::string(route.prefill.id())];
    if (route.decode.id() != "d0") ++decode[std::string(route.decode.id())];
  }
  INFO("changes after every " << period << " requests");
  CHECK(spread(prefill) < 300);
  CHECK(spread(decode) < 300);
}

TEMPLATE_TEST_CASE("many dispatchers route one request each, and no endpoint or pair gets more than its share", "",
                   LeastRequestPolicy, OwnTurns, pdroute::LeastKvPolicy) {
  auto router = site<TestType>(4, 4);
  Shares endpoints;
  Shares pairs;
  for (int i = 0; i < 64; ++i) {
    auto dispatcher = router.dispatcher();
    auto route = dispatcher.route().value();
    ++endpoints[std::string(route.decode.id())];
    ++pairs[std::string(route.prefill.id()) + std::string(route.decode.id())];
    route.prefill.complete();
    route.decode.complete();
  }
  CHECK(endpoints == Shares{{"d0", 16}, {"d1", 16}, {"d2", 16}, {"d3", 16}});
  CHECK(pairs.size() == 16);
  CHECK(spread(pairs) == 0);
}

TEMPLATE_TEST_CASE("gateways with the seeds 0, 1, 2, ... do not begin with the same endpoint", "", RoundRobinPolicy<>,
                   OwnTurns, LeastRequestPolicy, pdroute::WeightedRoundRobinPolicy, pdroute::RandomPolicy<>) {
  Shares first;
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    auto router = site<TestType>(1, 8, seed);
    auto dispatcher = router.dispatcher();
    ++first[one(dispatcher)];
  }
  CHECK(first.size() >= 6);
  CHECK(std::all_of(first.begin(), first.end(), [](const auto& each) { return each.second <= 6; }));
}

TEST_CASE("an engine fails and each of its requests is tried again, and the others serve alike") {
  const std::size_t n = GENERATE(3U, 4U, 8U);
  auto router = site<RoundRobinPolicy<>>(n, n);
  auto dispatcher = router.dispatcher();
  Shares served;
  for (int i = 0; i < 840; ++i) {
    pdroute::FailedEndpoints<> failed;
    auto route = dispatcher.route().value();
    if (route.decode.id() == "d0") {
      route.decode.fail(pdroute::FailureKind::bad_response, failed);
      route = {};
      route = dispatcher.route({}, {.prefill = {.exclude = failed}, .decode = {.exclude = failed}}).value();
    }
    ++served[std::string(route.decode.id())];
  }
  CHECK(served.size() == n - 1);
  CHECK(spread(served) <= 2);
}

TEMPLATE_TEST_CASE("two models in one router: requests of each take its endpoints in turn", "", RoundRobinPolicy<>,
                   OwnTurns, LeastRequestPolicy) {
  auto router = site<TestType>(1, 5);
  auto dispatcher = router.dispatcher();
  const Ids a{"d0", "d3"};
  const Ids b{"d1", "d2", "d4"};
  Shares shares;
  std::string last;
  for (int i = 0; i < 60; ++i) {
    const std::string id = one(dispatcher, typename decltype(dispatcher)::Filter{.allowed = a});
    if (i % 2 == 1) CHECK(id != last);  // each round over the set is complete
    last = id;
    ++shares[id];
    ++shares[one(dispatcher, typename decltype(dispatcher)::Filter{.allowed = b})];
  }
  CHECK(shares == Shares{{"d0", 30}, {"d1", 20}, {"d2", 20}, {"d3", 30}, {"d4", 20}});
}

TEST_CASE("every other request among the rest finds no partner, and those that do still use all endpoints") {
  auto router = site<RoundRobinPolicy<>>(3, 2);
  auto dispatcher = router.dispatcher();
  const Ids two{"p0", "p1"};
  const auto none = [](const Node& /*prefill*/, const Node& /*decode*/) { return false; };
  Shares shares;
  for (int i = 0; i < 200; ++i) {
    CHECK_FALSE(dispatcher.route({}, {.prefill = {.allowed = two}, .compatible = none}));
    ++shares[std::string(dispatcher.route({}, {.prefill = {.allowed = two}})->prefill.id())];
  }
  CHECK(shares.size() == 2);
  CHECK(spread(shares) < 100);
}

TEST_CASE("ties among the endpoints that a filter leaves are shared evenly, also where one between them is busy") {
  auto router = site<LeastRequestPolicy>(4, 1);
  auto dispatcher = router.dispatcher();
  const auto busy = dispatcher.prefill({}, {.allowed = Ids{"p1"}}).value();
  const Ids three{"p0", "p1", "p2"};
  Shares shares;
  for (int i = 0; i < 400; ++i) {
    auto lease = dispatcher.prefill({}, {.allowed = three}).value();
    ++shares[std::string(lease.id())];
    lease.complete();
  }
  CHECK(shares == Shares{{"p0", 200}, {"p2", 200}});
}

TEST_CASE("choices among some of the endpoints do not move the turns over all of them") {
  auto router = site<LeastRequestPolicy>(1, 4);
  auto dispatcher = router.dispatcher();
  Shares shares;
  for (int i = 0; i < 400; ++i) {
    ++shares[one(dispatcher)];
    CHECK(one(dispatcher, typename decltype(dispatcher)::Filter{.allowed = Ids{"d2"}}) == "d2");
  }
  CHECK(shares == Shares{{"d0", 100}, {"d1", 100}, {"d2", 100}, {"d3", 100}});
}

TEST_CASE("a health report and a list that change nothing do not move the rotation") {
  struct Comparable {  // else a list may always mean a change
    std::string id;
    bool operator==(const Comparable&) const = default;
  };
  const std::vector<Comparable> prefill{{"p0"}, {"p1"}};
  const std::vector<Comparable> decode{{"d0"}, {"d1"}};
  using Router = pdroute::DisaggregatedRouter<RoundRobinPolicy<>, RoundRobinPolicy<>, Comparable>;
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> pairs;
  for (int i = 0; i < 400; ++i) {
    CHECK(router.set_health("p0", Health::healthy));
    CHECK(router.assign(Role::decode, decode));
    const auto route = dispatcher.route();
    REQUIRE(route);
    ++pairs[route->prefill->id + route->decode->id];
  }
  CHECK(pairs == std::map<std::string, int>{{"p0d0", 100}, {"p0d1", 100}, {"p1d0", 100}, {"p1d1", 100}});
}
