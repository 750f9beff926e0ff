// SPDX-License-Identifier: Apache-2.0
// Limits on requests in flight, through the router, also while limits change and while many threads route.
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
#include "router/support.hpp"

namespace {

using pdroute::ConfigError;
using pdroute::NoEndpoint;
using pdroute::Role;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

/// An endpoint with a higher limit for decode than for prefill.
struct SizedByRole {
  std::string id;
};

}  // namespace

template <>
struct pdroute::EndpointTraits<SizedByRole> {
  static const std::string& id(const SizedByRole& endpoint) { return endpoint.id; }
  static pdroute::Capacity capacity(const SizedByRole& /*endpoint*/, pdroute::Role role) {
    return {.requests = role == pdroute::Role::prefill ? 1U : 2U};
  }
};

TEST_CASE("a full endpoint is skipped, and chosen again as soon as a place is free") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.requests = 1})}).value();
  auto dispatcher = router.dispatcher();
  auto d0 = dispatcher.decode().value();
  auto d1 = dispatcher.decode().value();
  CHECK(dispatcher.decode().error() == NoEndpoint{.role = Role::decode, .endpoints = 2, .full = 2});
  for (int i = 0; i < 4; ++i) {
    auto& ended = i % 2 == 0 ? d0 : d1;
    const std::string id(ended.id());
    ended.complete();
    ended = dispatcher.decode().value();
    CHECK(ended.id() == id);
  }
}

TEST_CASE("all endpoints are full: the reason counts them as overload, and nothing stays reserved") {
  auto router =
      Router::create({.prefill = nodes("p", 2, {.requests = 3}), .decode = nodes("d", 1, {.requests = 1})}).value();
  auto dispatcher = router.dispatcher();
  const auto held = dispatcher.route();
  REQUIRE(held);
  for (int i = 0; i < 5; ++i) {
    const auto refused = i % 2 == 0 ? dispatcher.route() : router.route();
    CHECK(refused.error() == NoEndpoint{.role = Role::decode, .endpoints = 1, .full = 1});
    CHECK(refused.error().overloaded());
    CHECK(refused.error().text() == "no decode endpoint: 1 full of 1");
  }
  CHECK(in_flight(router, Role::prefill) == 1);
}

TEST_CASE("a full endpoint beside an unhealthy one is overload, unhealthy endpoints alone are not") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.requests = 1})}).value();
  REQUIRE(router.set_health("d0", pdroute::Health::unhealthy));
  auto held = router.decode().value();
  CHECK(router.decode().error() == NoEndpoint{.role = Role::decode, .endpoints = 2, .unhealthy = 1, .full = 1});
  CHECK(router.decode().error().overloaded());
  REQUIRE(router.set_health("d1", pdroute::Health::unhealthy));
  CHECK_FALSE(router.decode().error().overloaded());
}

TEST_CASE("limits are read per role, and an endpoint that changes roles gets those of the new role") {
  using Both = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, SizedByRole>;
  auto router =
      Both::create({.prefill = std::vector<SizedByRole>{{"x"}, {"y"}}, .decode = std::vector<SizedByRole>{{"z"}}})
          .value();
  CHECK(status(router, Role::prefill, "x").capacity.requests == 1U);
  CHECK(status(router, Role::decode, "z").capacity.requests == 2U);
  CHECK(router.change_role("x", Role::decode) == pdroute::RoleChange::done);
  CHECK(status(router, Role::decode, "x").capacity.requests == 2U);
  std::vector<Both::DecodeLease> held;
  for (int i = 0; i < 4; ++i) held.push_back(router.decode().value());
  CHECK(router.decode().error().full == 2);
}

TEST_CASE("a limit that is raised, lowered or removed takes effect at the next choice") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.requests = 1})}).value();
  auto dispatcher = router.dispatcher();
  std::vector<Router::DecodeLease> held;
  const auto take_all = [&](std::size_t limit) {
    while (auto lease = dispatcher.decode()) {
      held.push_back(std::move(*lease));
      if (held.size() == limit) break;
    }
    return held.size();
  };
  CHECK(take_all(100) == 1);
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.requests = 5}));
  CHECK(take_all(100) == 5);
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.requests = 2}));
  CHECK(status(router, Role::decode, "d0").over_capacity());  // running requests stay
  CHECK(dispatcher.decode().error().full == 1);
  held.resize(2);
  CHECK_FALSE(status(router, Role::decode, "d0").over_capacity());
  CHECK(dispatcher.decode().error().full == 1);
  held.pop_back();
  CHECK(take_all(100) == 2);
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {}));
  CHECK(take_all(50) == 50);
  CHECK_FALSE(status(router, Role::decode, "d0").over_capacity());
}

TEST_CASE("an invalid capacity is refused with the rule that it breaks, and the old one stays") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.requests = 7})}).value();
  using enum ConfigError::Rule;
  CHECK(router.set_capacity(Role::decode, "d0", {.requests = 0})->rule == capacity_in_range);
  CHECK(router.set_capacity(Role::decode, "d0", {.requests = pdroute::Capacity::max_requests + 1})->rule ==
        capacity_in_range);
  CHECK(router.set_capacity(Role::decode, "d0", {.tokens = 5})->rule == capacity_counted);
  CHECK(router.set_capacity(Role::decode, "d0", {.kv_tokens = 5})->rule == capacity_counted);
  CHECK(router.set_capacity(Role::decode, "p0", {.requests = 1})->rule == id_known);
  CHECK(status(router, Role::decode, "d0").capacity == pdroute::Capacity{.requests = 7});
  const auto wrong = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.requests = 0})});
  CHECK(wrong.error().rule == capacity_in_range);
  CHECK(wrong.error().value == "d0: 0 requests");
  CHECK(wrong.error().endpoint == ConfigError::Place{Role::decode, 0});
}

TEST_CASE("many threads at the limit: it is never passed, and all places are free at the end") {
  constexpr std::uint32_t cap = 3;
  auto router =
      Router::create({.prefill = nodes("p", 2, {.requests = cap}), .decode = nodes("d", 2, {.requests = cap})}).value();
  std::atomic<std::uint32_t> holding = 0;
  std::atomic<std::uint32_t> max_holding = 0;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> workers;
  for (int t = 0; t < 4; ++t) {
    workers.emplace_back([&] {
      auto dispatcher = router.dispatcher();
      std::vector<Router::Route> mine;
      for (int i = 0; i < 3000; ++i) {
        auto route = dispatcher.route();
        if (route) {
          const std::uint32_t now = ++holding;
          for (std::uint32_t seen = max_holding; seen < now && !max_holding.compare_exchange_weak(seen, now);) {
          }
          mine.push_back(std::move(*route));
        } else if (route.error().full != 2) {
          ++wrong;
        }
        if (!route || mine.size() == 3) {
          holding -= static_cast<std::uint32_t>(mine.size());  // lowered first, while the places are still held
          mine.clear();
        }
      }
      holding -= static_cast<std::uint32_t>(mine.size());
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(max_holding <= 2 * cap);
  CHECK(wrong == 0);
  CHECK(in_flight(router, Role::prefill) == 0);
  CHECK(in_flight(router, Role::decode) == 0);
}
