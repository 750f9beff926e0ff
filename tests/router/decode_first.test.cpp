// SPDX-License-Identifier: Apache-2.0
// Routers that choose the decode endpoint first.
#include <array>
#include <cstddef>
#include <map>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::NoEndpoint;
using pdroute::Role;
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;

template <class Policy>
auto decode_first(std::size_t prefill, std::size_t decode) {
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Node, pdroute::ManualClock>;
  return Router::create({.prefill = nodes("p", prefill), .decode = nodes("d", decode), .first = Role::decode}).value();
}

}  // namespace

TEMPLATE_TEST_CASE("decode first: all pairs are used equally often", "", RoundRobinPolicy<>,
                   RoundRobinPolicy<Rotation::per_dispatcher>, pdroute::QpsPolicy<>) {
  const auto [p, d] = GENERATE(table<std::size_t, std::size_t>({{2, 2}, {3, 2}, {2, 3}, {4, 6}, {1, 3}}));
  auto router = decode_first<TestType>(p, d);
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> pairs;
  for (std::size_t i = 0; i < 4 * p * d; ++i) ++pairs[names(dispatcher.route())];
  INFO(p << " x " << d);
  CHECK(pairs.size() == p * d);
  for (const auto& [pair, times] : pairs) CHECK(times == 4);
}

TEST_CASE("decode first: separate calls for the two legs use all pairs equally often") {
  auto router = decode_first<RoundRobinPolicy<>>(2, 2);
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> pairs;
  for (int i = 0; i < 16; ++i) {
    const auto decode = dispatcher.decode();
    const auto prefill = dispatcher.prefill();
    ++pairs[std::string(prefill->id()).append(decode->id())];
  }
  CHECK(pairs == std::map<std::string, int>{{"p0d0", 4}, {"p0d1", 4}, {"p1d0", 4}, {"p1d1", 4}});
}

TEST_CASE("decode first: two empty roles name decode, a decode choice without prefill is undone") {
  auto router = decode_first<RoundRobinPolicy<>>(0, 0);
  CHECK(router.route().error() == NoEndpoint{.role = Role::decode});
  REQUIRE(router.assign(Role::decode, nodes("d", 2)));
  CHECK(router.route().error() == NoEndpoint{.role = Role::prefill});
  REQUIRE(router.assign(Role::prefill, nodes("p", 2, {.requests = 1})));
  auto dispatcher = router.dispatcher();
  const auto held = std::array{dispatcher.prefill(), dispatcher.prefill()};
  for (int i = 0; i < 3; ++i) {
    CHECK(dispatcher.route().error() == NoEndpoint{.role = Role::prefill, .endpoints = 2, .full = 2});
    CHECK(router.route({}, {.prefill = {.accept = [](const Node&) { return false; }}}).error().disallowed == 2);
  }
  for (const auto& endpoint : router.endpoints(Role::decode)) {
    CHECK(endpoint.in_flight == 0);
    CHECK(endpoint.outcomes == pdroute::Outcomes{});
  }
  CHECK(router.refusals(Role::decode).requests == 1);
}

TEST_CASE("decode first: the decode policy is asked before the prefill policy, prefill first: after it") {
  std::string asked;
  Scripted prefill;
  Scripted decode;
  prefill.rule = [&](std::size_t) {
    asked += "p";
    return 0;
  };
  decode.rule = [&](std::size_t) {
    asked += "d";
    return 0;
  };
  using Router = pdroute::DisaggregatedRouter<Scripted, Scripted, Node>;
  for (const Role first : {Role::decode, Role::prefill}) {
    auto router = Router::create({.prefill = nodes("p", 1),
                                  .decode = nodes("d", 1),
                                  .prefill_policy = prefill,
                                  .decode_policy = decode,
                                  .first = first})
                      .value();
    CHECK(router.route());
    CHECK(router.route({}, {.compatible = [](const Node&, const Node&) { return true; }}));
  }
  CHECK(asked == "dpdppdpd");
}
