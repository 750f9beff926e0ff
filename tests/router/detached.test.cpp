// SPDX-License-Identifier: Apache-2.0
// Detached leases, through the router and through dispatchers that outlive it.
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::LeaseId;
using pdroute::LeaseIdError;
using pdroute::Outcomes;
using pdroute::Role;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

}  // namespace

TEST_CASE("a detached lease counts until it is adopted and ended, and its id works once") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  auto route = dispatcher.route().value();
  const LeaseId prefill = router.detach(std::move(route.prefill)).value();
  const LeaseId decode = dispatcher.detach(std::move(route.decode)).value();
  CHECK(prefill != decode);
  route.complete();  // both of its leases are empty
  CHECK(in_flight(router, Role::prefill) == 1);
  CHECK(in_flight(router, Role::decode) == 1);

  CHECK(router.adopt<Role::prefill>(decode).error() == LeaseIdError::other_role);
  CHECK(router.adopt<Role::decode>(LeaseId{0}).error() == LeaseIdError::unknown);
  auto back = dispatcher.adopt<Role::prefill>(prefill).value();
  CHECK(back.id() == "p0");
  back.complete();
  CHECK(router.adopt<Role::prefill>(prefill).error() == LeaseIdError::used);
  router.adopt<Role::decode>(decode).value().fail(pdroute::FailureKind::timed_out);
  CHECK(status(router, Role::prefill, "p0").outcomes == Outcomes{.completed = 1});
  CHECK(status(router, Role::decode, "d0").outcomes == Outcomes{.timed_out = 1});
}

TEST_CASE("no room for another detached lease: it stays with the caller and keeps running") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1), .detached_leases = 1}).value();
  auto a = router.decode().value();
  auto b = router.decode().value();
  const auto id = router.detach(std::move(a));
  REQUIRE(id);
  CHECK_FALSE(router.detach(std::move(b)));
  CHECK(b);
  CHECK(router.detach(router.prefill().value()));  // each role has room of its own
  CHECK(in_flight(router, Role::decode) == 2);
  REQUIRE(router.adopt<Role::decode>(*id));  // the adopted lease is destroyed, which cancels it
  CHECK(router.detach(std::move(b)));
}

TEST_CASE("a lease id outlives its endpoint's membership, the lease does not touch the new incarnation") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  const LeaseId id = router.detach(router.decode().value()).value();
  REQUIRE(router.assign(Role::decode, Nodes{}));
  REQUIRE(router.assign(Role::decode, nodes("d", 1)));
  auto lease = router.adopt<Role::decode>(id).value();
  CHECK(lease.id() == "d0");
  lease.complete();
  CHECK(status(router, Role::decode, "d0").in_flight == 0);
  CHECK(status(router, Role::decode, "d0").outcomes == Outcomes{});
}

TEST_CASE("lease ids work through a dispatcher after the router is gone, leases after both are gone") {
  auto router = std::make_optional(Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value());
  auto dispatcher = std::make_optional(router->dispatcher());
  const LeaseId id = router->detach(router->decode().value()).value();
  router.reset();
  auto lease = dispatcher->adopt<Role::decode>(id).value();
  const LeaseId again = dispatcher->detach(std::move(lease)).value();
  lease = dispatcher->adopt<Role::decode>(again).value();
  dispatcher.reset();
  CHECK(lease.id() == "d0");
  lease.complete();
  CHECK_FALSE(lease);
}

TEST_CASE("router and dispatchers are destroyed, leases still detached are released with their endpoints") {
  struct Watched {
    std::string id;
    std::shared_ptr<int> life;
  };
  using Watching = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Watched>;
  const auto life = std::make_shared<int>(0);
  {
    const std::vector<Watched> list{{"e", life}};
    auto router = std::make_optional(Watching::create({.prefill = list, .decode = list}).value());
    const auto dispatcher = router->dispatcher();
    REQUIRE(router->detach(router->prefill().value()));
    REQUIRE(router->detach(router->decode().value()));
    router.reset();
    CHECK(life.use_count() > 2);
  }
  CHECK(life.use_count() == 1);
}

TEST_CASE("wire tasks that never come back, their leases are found by age and their places serve again") {
  using namespace std::chrono_literals;
  using TimedRouter = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node,
                                                   pdroute::ManualClock>;
  pdroute::ManualClock clock;
  auto router =
      TimedRouter::create({.prefill = nodes("p", 1), .decode = nodes("d", 2), .clock = clock, .detached_leases = 8})
          .value();
  auto dispatcher = router.dispatcher();
  std::uint32_t lost = 0;
  std::uint32_t served = 0;
  std::uint32_t had_back = 0;
  for (int i = 0; i < 1000; ++i) {
    clock.advance(1s);
    for (const LeaseId id : router.detached<Role::decode>(clock.now() - 60s)) {
      router.adopt<Role::decode>(id).value().fail(pdroute::FailureKind::timed_out);
      ++had_back;
    }
    const auto id = dispatcher.detach(dispatcher.decode().value(), clock.now());
    REQUIRE(id);
    if (i % 10 == 0) {
      ++lost;  // its id is forgotten
    } else {
      router.adopt<Role::decode>(*id).value().complete();
      ++served;
    }
  }
  CHECK(served == 900);
  CHECK(had_back + in_flight(router, Role::decode) == lost);
  CHECK(router.detached<Role::decode>().size() == in_flight(router, Role::decode));
  CHECK(router.detached<Role::prefill>().empty());
}

TEST_CASE("a lease id of another router is not exchanged, in either direction") {
  auto ours = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  auto theirs = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  const LeaseId of_ours = ours.detach(ours.decode().value()).value();
  const LeaseId of_theirs = theirs.detach(theirs.decode().value()).value();
  CHECK(ours.adopt<Role::decode>(of_theirs).error() == LeaseIdError::unknown);
  CHECK(theirs.adopt<Role::decode>(of_ours).error() == LeaseIdError::unknown);
  CHECK(ours.adopt<Role::decode>(of_ours));
  CHECK(theirs.adopt<Role::decode>(of_theirs));
}

TEST_CASE("endpoints that failed in another router are not excluded here") {
  auto ours = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  auto theirs = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  pdroute::FailedEndpoints<> failed;
  theirs.decode().value().fail(pdroute::FailureKind::bad_response, failed);
  CHECK(ours.decode({}, {.exclude = failed}));
  CHECK_FALSE(theirs.decode({}, {.exclude = failed}));
}

TEST_CASE("a member is excluded by the key in its status") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 2)}).value();
  const std::vector<pdroute::FailedEndpoint> list{{.key = router.endpoint(Role::decode, "d0")->key}};
  for (int i = 0; i < 4; ++i) CHECK(router.decode({}, {.exclude = list}).value().id() == "d1");
}

TEST_CASE("a router at the address and with the seed of an earlier one, made at the same time, has a mark of its own") {
  using Core = Router::Dispatcher::Core;
  const int core = 0;
  CHECK(Core::mark_of(&core, 5, 7) != Core::mark_of(&core, 5, 7));
}
