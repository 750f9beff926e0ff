// SPDX-License-Identifier: Apache-2.0
// How often a role had no endpoint for a request, and why, over all callers.
#include <pdroute/router/refusals.hpp>

#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <string_view>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::NoEndpoint;
using pdroute::Refusals;
using pdroute::Role;
using Ids = std::vector<std::string_view>;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

}  // namespace

TEST_CASE("a refusal counts once for each of its reasons, however many endpoints each ruled out") {
  pdroute::detail::RefusalCounts counts;
  CHECK(counts.so_far() == Refusals{});
  counts.record({.role = Role::decode, .endpoints = 9, .unhealthy = 5, .full = 4});
  counts.record({.role = Role::decode, .endpoints = 4, .paused = 1, .draining = 1, .ejected = 1, .full = 1});
  counts.record(
      {.role = Role::decode, .endpoints = 4, .excluded = 1, .disallowed = 1, .incompatible = 1, .declined = 1});
  counts.record({.role = Role::decode, .endpoints = 3, .bound_only = 2, .too_large = 1});
  counts.record({.role = Role::decode});  // no members at all: a request without a reason
  CHECK(counts.so_far() == Refusals{.requests = 5,
                                    .unhealthy = 1,
                                    .paused = 1,
                                    .draining = 1,
                                    .ejected = 1,
                                    .bound_only = 1,
                                    .excluded = 1,
                                    .disallowed = 1,
                                    .incompatible = 1,
                                    .too_large = 1,
                                    .full = 2,
                                    .declined = 1});
}

TEST_CASE("a refused request counts once, in the role without an endpoint, whichever call was made") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 2, {.requests = 1})}).value();
  auto a = router.dispatcher();
  auto b = router.dispatcher();
  const auto first = a.decode();
  const auto second = a.decode();
  CHECK_FALSE(a.route());
  CHECK_FALSE(b.decode());
  CHECK_FALSE(router.route());
  CHECK_FALSE(router.decode());
  CHECK_FALSE(b.route({}, {.decode = {.allowed = Ids{"d0"}}}));
  CHECK(router.refusals(Role::decode) == Refusals{.requests = 5, .disallowed = 1, .full = 5});
  CHECK(router.refusals(Role::prefill) == Refusals{});
  CHECK_FALSE(a.route({}, {.prefill = {.allowed = Ids{}}}));
  CHECK_FALSE(b.prefill({}, {.allowed = Ids{}}));
  CHECK(router.refusals(Role::prefill) == Refusals{.requests = 2, .disallowed = 2});
  CHECK(router.refusals(Role::decode).requests == 5);
}

TEST_CASE("a served request is no refusal, even if full endpoints or unfit pairs were skipped") {
  auto router = Router::create({.prefill = Nodes{{"p0", 'x'}, {"p1", 'a'}},
                                .decode = Nodes{{"d0", 'a', {.requests = 1}}, {"d1", 'a'}}})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto held = dispatcher.decode({}, {.allowed = Ids{"d0"}});
  const auto same_group = [](const Node& p, const Node& d) { return p.group == d.group; };
  for (int i = 0; i < 8; ++i) CHECK(names(dispatcher.route({}, {.compatible = same_group})) == "p1 d1");
  for (int i = 0; i < 8; ++i) CHECK(dispatcher.route());
  CHECK(router.refusals(Role::prefill) == Refusals{});
  CHECK(router.refusals(Role::decode) == Refusals{});
}

TEST_CASE("a role without members refuses, and the request counts without a reason") {
  auto router = Router::create({.prefill = nodes("p", 1)}).value();
  CHECK(router.route().error() == NoEndpoint{.role = Role::decode});
  CHECK(router.route().error().text() == "no decode endpoint: there are none");
  CHECK_FALSE(router.route().error().overloaded());
  CHECK(router.refusals(Role::decode) == Refusals{.requests = 3});
}

TEST_CASE("refusals on many threads add up") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  REQUIRE(router.set_health("d0", pdroute::Health::unhealthy));
  std::vector<std::thread> workers;
  for (int t = 0; t < 3; ++t) {
    workers.emplace_back([&] {
      auto dispatcher = router.dispatcher();
      for (int i = 0; i < 2000; ++i) static_cast<void>(dispatcher.route());
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(router.refusals(Role::decode) == Refusals{.requests = 6000, .unhealthy = 6000});
}
