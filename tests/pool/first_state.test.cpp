// SPDX-License-Identifier: Apache-2.0
// The state in which an endpoint joins: no request finds it before its first check, unless it says so.
#include <atomic>
#include <pdroute/pdroute.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <string>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"
#include "pool/lease_on.hpp"

namespace {

using pdroute::Health;
using pdroute::Intake;
using pdroute::LastEndpoint;
using pdroute::Role;

/// By its members, the same in both roles.
struct Checked {
  std::string id;
  std::string incarnation;
  Health health = Health::unhealthy;
  Intake intake = Intake::accepting;
};
/// By `EndpointTraits`, which know the role.
struct Loading {
  std::string name;
};
using Pool = pdroute::EndpointPool<Role::decode, Checked>;
using List = std::vector<Checked>;

const auto anywhere = [](const auto& /*endpoint*/) { return true; };

}  // namespace

template <>
struct pdroute::EndpointTraits<Loading> {
  static const std::string& id(const Loading& endpoint) { return endpoint.name; }
  static pdroute::Health health(const Loading& /*endpoint*/, pdroute::Role role) {
    return role == pdroute::Role::decode ? pdroute::Health::unhealthy : pdroute::Health::healthy;
  }
};

TEST_CASE("first state: an endpoint joins unhealthy or paused, and serves once it is called healthy") {
  Pool pool;
  REQUIRE(pool.assign(List{{"a", "1"}, {"b", "1", Health::healthy}, {"c", "1", Health::healthy, Intake::paused}}));
  CHECK(pool.snapshot()->candidates().size() == 1);
  CHECK(pool.snapshot()->left_out().unhealthy == 1);
  CHECK(pool.snapshot()->left_out().paused == 1);
  CHECK(pool.set_health("a", Health::healthy));
  CHECK(pool.set_intake("c", Intake::accepting));
  CHECK(pool.snapshot()->candidates().size() == 3);
}

TEST_CASE("first state: later lists say nothing of it, because the health checks know better") {
  Pool pool;
  REQUIRE(pool.assign(List{{"a", "1"}}));
  CHECK(pool.set_health("a", Health::healthy));
  REQUIRE(pool.assign(List{{"a", "1"}}));
  CHECK(pool.endpoint("a")->health == Health::healthy);
  REQUIRE_FALSE(pool.update({"a", "1", Health::unhealthy}));
  CHECK(pool.endpoint("a")->health == Health::healthy);
  REQUIRE(pool.assign(List{}));
  REQUIRE_FALSE(pool.add({"a", "1"}));
  CHECK(pool.endpoint("a")->health == Health::healthy);  // the same life
}

TEST_CASE("first state: a new life waits for its first check, whatever the life before it was") {
  Pool pool;
  REQUIRE(pool.assign(List{{"a", "1"}}));
  CHECK(pool.set_health("a", Health::healthy));
  REQUIRE(pool.assign(List{{"a", "2"}}));
  CHECK(pool.endpoint("a")->health == Health::unhealthy);
  CHECK_FALSE(lease_on(pool, "a"));
}

TEST_CASE("first state: a role may have its own") {
  pdroute::EndpointPool<Role::prefill, Loading> prefill;
  pdroute::EndpointPool<Role::decode, Loading> decode;
  REQUIRE(prefill.assign(std::vector<Loading>{{"a"}}));
  REQUIRE(decode.assign(std::vector<Loading>{{"a"}}));
  CHECK(prefill.endpoint("a")->health == Health::healthy);
  CHECK(decode.endpoint("a")->health == Health::unhealthy);
}

TEST_CASE("first state: an endpoint that changes its role keeps the state that it has, and not that of its type") {
  pdroute::EndpointPool<Role::prefill, Loading> prefill;
  pdroute::EndpointPool<Role::decode, Loading> decode;
  REQUIRE(prefill.assign(std::vector<Loading>{{"a"}}));
  REQUIRE(decode.join(prefill.leave("a", LastEndpoint::take, anywhere)));
  CHECK(decode.endpoint("a")->health == Health::healthy);
}

TEST_CASE("first state: no request of any thread finds an endpoint before its first check") {
  using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::LeastRequestPolicy, Checked>;
  const List two{{"d0", "1", Health::healthy}, {"d1", "1", Health::healthy}};
  auto router = Router::create({.prefill = two, .decode = two}).value();
  std::atomic<bool> stop = false;
  std::atomic<int> found = 0;
  std::thread traffic([&] {
    auto dispatcher = router.dispatcher();
    while (!stop) found += dispatcher.decode()->id() == "loading" ? 1 : 0;
  });
  List three = two;
  three.push_back({"loading", ""});
  for (int i = 0; i < 500; ++i) {
    three[2].incarnation = std::to_string(i);
    REQUIRE(router.assign(Role::decode, three));
    REQUIRE(router.assign(Role::decode, two));
  }
  stop = true;
  traffic.join();
  CHECK(found == 0);
}
