// SPDX-License-Identifier: Apache-2.0
// How leases end, as the router reports it: each lease counts once, under its own outcome.
#include <cstdint>
#include <map>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::FailureKind;
using pdroute::Outcomes;
using pdroute::Role;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

std::uint64_t sum(const Outcomes& outcomes) {
  return outcomes.completed + outcomes.cancelled + outcomes.failed() + outcomes.overloaded;
}

}  // namespace

TEST_CASE("each end of a lease counts under its own outcome, in the role where it happened") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  for (const FailureKind kind :
       {FailureKind::unreachable, FailureKind::timed_out, FailureKind::bad_response, FailureKind::overloaded}) {
    auto route = router.route().value();
    route.first_token();
    route.decode.fail(kind);
  }
  {
    auto route = router.route().value();
    route.complete();
    route.complete();  // a second time, without effect
    route.decode.fail(FailureKind::bad_response);
    route.prefill.fail(FailureKind::bad_response);
  }
  static_cast<void>(router.route());  // destroyed, as when the client disconnects
  CHECK(status(router, Role::prefill, "p0").outcomes == Outcomes{.completed = 5, .cancelled = 1});
  const Outcomes decode = status(router, Role::decode, "d0").outcomes;
  CHECK(decode ==
        Outcomes{.completed = 1, .cancelled = 1, .unreachable = 1, .timed_out = 1, .bad_response = 1, .overloaded = 1});
  CHECK(decode.failed() == 3);
}

TEST_CASE("a running lease and a moved-from one add no outcome") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  auto a = router.decode().value();
  auto b = std::move(a);
  a.complete();
  a.fail(FailureKind::bad_response);
  CHECK(status(router, Role::decode, "d0").outcomes == Outcomes{});
  b = router.decode().value();  // cancels the lease that b held before
  CHECK(status(router, Role::decode, "d0").outcomes == Outcomes{.cancelled = 1});
  CHECK(in_flight(router, Role::decode) == 1);
}

TEST_CASE("a new incarnation begins without outcomes, and a late end of the old one adds none") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  auto late = router.decode().value();
  router.decode().value().complete();
  REQUIRE(router.assign(Role::decode, Nodes{}));
  REQUIRE(router.assign(Role::decode, nodes("d", 1)));
  late.fail(FailureKind::bad_response);
  CHECK(status(router, Role::decode, "d0").outcomes == Outcomes{});
}

TEST_CASE("requests that find no endpoint add no outcome") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 1, {.requests = 1})}).value();
  auto held = router.decode().value();
  for (int i = 0; i < 10; ++i) CHECK_FALSE(router.route());
  for (const auto& endpoint : router.endpoints(Role::prefill)) CHECK(endpoint.outcomes == Outcomes{});
  held.complete();
  CHECK(status(router, Role::decode, "d0").outcomes == Outcomes{.completed = 1});
}

TEST_CASE("random requests and endings: outcomes plus requests in flight always equal the requests begun") {
  auto router = Router::create({.prefill = nodes("p", 3), .decode = nodes("d", 4, {.requests = 20})}).value();
  auto dispatcher = router.dispatcher();
  pdroute::SplitMix64 random{5};
  std::map<std::string, std::uint64_t> begun;
  std::map<std::string, Outcomes> expected;
  std::vector<Router::DecodeLease> running;
  for (int i = 0; i < 3000; ++i) {
    if (auto lease = dispatcher.decode()) {
      ++begun[std::string(lease->id())];
      running.push_back(std::move(*lease));
    }
    while (running.size() > pdroute::below(random, 100)) {
      std::swap(running[pdroute::below(random, static_cast<std::uint32_t>(running.size()))], running.back());
      Router::DecodeLease lease = std::move(running.back());
      running.pop_back();
      Outcomes& outcomes = expected[std::string(lease.id())];
      switch (pdroute::below(random, 4)) {
        case 0: ++outcomes.completed, lease.complete(); break;
        case 1: ++outcomes.bad_response, lease.fail(FailureKind::bad_response); break;
        case 2: ++outcomes.overloaded, lease.fail(FailureKind::overloaded); break;
        default: ++outcomes.cancelled; break;
      }
    }
    if (i % 100 != 0) continue;
    for (const auto& endpoint : router.endpoints(Role::decode)) {
      REQUIRE(endpoint.outcomes == expected[endpoint.id]);
      REQUIRE(sum(endpoint.outcomes) + endpoint.in_flight == begun[endpoint.id]);
    }
  }
}
