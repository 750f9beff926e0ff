// SPDX-License-Identifier: Apache-2.0
// Role changes through the router: running requests are kept, and no role loses its last endpoint by accident.
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <pdroute/pdroute.hpp>
#include <string>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::Health;
using pdroute::Intake;
using pdroute::LastEndpoint;
using pdroute::NoEndpoint;
using pdroute::Outcomes;
using pdroute::Role;
using pdroute::RoleChange;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

std::string ids(const Router& router, Role role) {
  std::string ids;
  for (const auto& endpoint : router.endpoints(role)) ids += endpoint.id + (endpoint.draining ? "- " : " ");
  return ids;
}

}  // namespace

TEST_CASE("an endpoint changes its role: every dispatcher chooses it in the new role only") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  REQUIRE(dispatcher.route());
  CHECK(router.change_role("p0", Role::decode) == RoleChange::done);
  CHECK(ids(router, Role::prefill) == "p0- p1 ");
  CHECK(ids(router, Role::decode) == "d0 p0 ");
  std::string decodes;
  for (int i = 0; i < 4; ++i) {
    const auto route = i % 2 == 0 ? dispatcher.route() : router.route();
    CHECK(route->prefill.id() == "p1");
    decodes += route->decode.id();
  }
  CHECK(std::count(decodes.begin(), decodes.end(), 'd') == 2);  // p0 gets as many requests as d0
}

TEST_CASE("an endpoint changes roles and back: leases of both roles keep counting where they began") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  auto prompt = dispatcher.prefill().value();
  CHECK(prompt.id() == "p0");
  const auto first_incarnation = prompt.key();

  CHECK(router.change_role("p0", Role::decode) == RoleChange::done);
  CHECK(status(router, Role::prefill, "p0").in_flight == 1);  // still counted in the role where it runs
  CHECK_FALSE(status(router, Role::prefill, "p0").drained());
  const std::vector<std::string_view> p0{"p0"};
  auto answer = dispatcher.decode({}, {.allowed = p0}).value();
  CHECK(status(router, Role::decode, "p0").in_flight == 1);

  CHECK(router.change_role("p0", Role::prefill) == RoleChange::done);
  CHECK(ids(router, Role::prefill) == "p1 p0 ");  // listed once: the new incarnation replaces the one that drained
  CHECK(status(router, Role::prefill, "p0").in_flight == 0);
  CHECK(status(router, Role::decode, "p0").in_flight == 1);
  auto again = dispatcher.prefill({}, {.allowed = p0}).value();
  CHECK_FALSE(again.key() == first_incarnation);
  CHECK(dispatcher.decode({}, {.allowed = p0}).error() ==
        NoEndpoint{.role = Role::decode, .endpoints = 2, .draining = 1, .disallowed = 1});

  prompt.complete();
  answer.fail(pdroute::FailureKind::bad_response);
  CHECK(status(router, Role::prefill, "p0").in_flight == 1);
  CHECK(status(router, Role::prefill, "p0").outcomes == Outcomes{});
  CHECK(status(router, Role::decode, "p0").drained());
  CHECK(status(router, Role::decode, "p0").outcomes == Outcomes{.bad_response = 1});
}

TEST_CASE("an unhealthy or paused endpoint changes its role: its health and intake come along") {
  auto router = Router::create({.prefill = nodes("p", 3), .decode = nodes("d", 1)}).value();
  REQUIRE(router.set_health("p0", Health::unhealthy));
  REQUIRE(router.set_intake(Role::prefill, "p1", Intake::paused));
  CHECK(router.change_role("p0", Role::decode) == RoleChange::done);
  CHECK(router.change_role("p1", Role::decode) == RoleChange::done);
  CHECK(status(router, Role::decode, "p0").health == Health::unhealthy);
  CHECK(status(router, Role::decode, "p1").intake == Intake::paused);
  for (int i = 0; i < 6; ++i) CHECK(router.decode()->id() == "d0");
  REQUIRE(router.set_health("p0", Health::healthy));
  REQUIRE(router.set_intake(Role::decode, "p1", Intake::accepting));
  std::string seen;
  for (int i = 0; i < 3; ++i) seen += router.decode()->id();
  CHECK(seen.find("p0") != std::string::npos);
  CHECK(seen.find("p1") != std::string::npos);
}

TEST_CASE("the last eligible endpoint keeps its role unless the caller takes it") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 1)}).value();
  REQUIRE(router.set_health("p1", Health::unhealthy));  // so p0 is the only eligible one
  CHECK(router.change_role("p0", Role::decode) == RoleChange::last_of_its_role);
  CHECK(ids(router, Role::prefill) == "p0 p1 ");
  CHECK(ids(router, Role::decode) == "d0 ");
  CHECK(router.route());
  CHECK(router.change_role("p1", Role::decode) == RoleChange::done);  // is not eligible, so it may leave
  CHECK(router.change_role("p0", Role::decode, LastEndpoint::take) == RoleChange::done);
  CHECK(router.route().error() == NoEndpoint{.role = Role::prefill, .endpoints = 2, .unhealthy = 1, .draining = 1});
  CHECK(router.decode());
}

TEST_CASE("an impossible role change is refused with its reason, and nothing changes") {
  auto router = Router::create({.prefill = nodes("e", 2), .decode = Nodes{{"e0"}, {"d0"}}}).value();
  CHECK(router.change_role("x", Role::decode) == RoleChange::no_such_endpoint);
  CHECK(router.change_role("d0", Role::decode) == RoleChange::already_there);
  CHECK(router.change_role("e0", Role::decode) == RoleChange::already_there);
  CHECK(router.change_role("e0", Role::prefill) == RoleChange::already_there);
  CHECK(ids(router, Role::prefill) == "e0 e1 ");
  CHECK(ids(router, Role::decode) == "e0 d0 ");
  CHECK(router.change_role("e1", Role::decode) == RoleChange::done);
  CHECK(router.change_role("e1", Role::decode) == RoleChange::already_there);
  CHECK(ids(router, Role::decode) == "e0 d0 e1 ");
}

TEST_CASE("the drained entry leaves the old role when a list omits it, its copy when its lease ends") {
  struct Watched {
    std::string id;
    std::shared_ptr<int> life;
  };
  using Watching = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Watched>;
  const auto life = std::make_shared<int>(0);
  auto router = Watching::create({.prefill = std::vector<Watched>{{"p0", nullptr}, {"p1", life}},
                                  .decode = std::vector<Watched>{{"d0", nullptr}}})
                    .value();
  auto lease = router.prefill().value();
  while (lease.id() != "p1") lease = router.prefill().value();
  CHECK(router.change_role("p1", Role::decode) == RoleChange::done);
  REQUIRE(router.assign(Role::prefill, std::vector<Watched>{{"p0", nullptr}}));
  CHECK(router.endpoints(Role::prefill).size() == 1);
  CHECK(life.use_count() == 3);  // one here, one for the lease, one in the new role
  lease.complete();
  CHECK(life.use_count() == 2);
}

TEST_CASE("an endpoint changes roles and back repeatedly: it serves in its first role again") {
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 1)}).value();
  for (int i = 0; i < 5; ++i) {
    CHECK(router.change_role("p0", Role::decode) == RoleChange::done);
    CHECK(router.change_role("p0", Role::prefill) == RoleChange::done);
    CHECK(ids(router, Role::prefill) == "p1 p0 ");
  }
  CHECK(ids(router, Role::decode) == "d0 p0- ");
  CHECK(router.prefill()->id() != router.prefill()->id());
}

TEST_CASE("two threads move the last two endpoints of a role: one of them stays") {
  for (int round = 0; round < 100; ++round) {
    auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 1)}).value();
    std::atomic<int> ready = 0;
    std::atomic<int> done = 0;
    std::vector<std::thread> workers;
    for (const char* id : {"p0", "p1"}) {
      workers.emplace_back([&, id] {
        for (++ready; ready < 2;) std::this_thread::yield();
        if (router.change_role(id, Role::decode) == RoleChange::done) ++done;
      });
    }
    for (std::thread& worker : workers) worker.join();
    CHECK(done == 1);
    CHECK(router.route());
  }
}

TEST_CASE("requests run while endpoints change roles: none is refused and no count is left over") {
  auto router = Router::create({.prefill = nodes("p", 3), .decode = nodes("d", 3)}).value();
  std::atomic<bool> stop = false;
  std::atomic<int> failures = 0;
  std::atomic<int> served = 0;
  std::vector<std::thread> workers;
  for (int t = 0; t < 2; ++t) {
    workers.emplace_back([&] {
      auto dispatcher = router.dispatcher();
      while (!stop) {
        auto route = dispatcher.route();
        ++(route ? served : failures);
        if (route) route->complete();
      }
    });
  }
  for (int i = 0; i < 300 || served < 100; ++i) {
    const std::string p = "p" + std::to_string(i % 2);
    const std::string d = "d" + std::to_string(i % 2);
    static_cast<void>(router.change_role(p, i % 4 < 2 ? Role::decode : Role::prefill));
    static_cast<void>(router.change_role(d, i % 4 < 2 ? Role::prefill : Role::decode));
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
  CHECK(failures == 0);  // p2 and d2 never move
  CHECK(in_flight(router, Role::prefill) == 0);
  CHECK(in_flight(router, Role::decode) == 0);
}

TEST_CASE("a role change destroys endpoint copies and the destructors call the router, without deadlock") {
  struct CallsBack {
    explicit CallsBack(std::string name, std::function<void()>* end) : id(std::move(name)), at_end(end) {}
    CallsBack(const CallsBack&) = default;
    CallsBack& operator=(const CallsBack&) = delete;
    ~CallsBack() {
      if (*at_end) (*at_end)();
    }
    std::string id;
    std::function<void()>* at_end;
  };
  std::function<void()> at_end;
  {
    const std::vector<CallsBack> prefill{CallsBack{"e0", &at_end}, CallsBack{"e1", &at_end}};
    auto router =
        pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, CallsBack>::create(
            {.prefill = prefill, .decode = {}})
            .value();
    int calls = 0;
    at_end = [&] {
      ++calls;
      static_cast<void>(router.endpoints(Role::prefill));
      router.set_health("e1", pdroute::Health::healthy);
    };
    CHECK(router.change_role("e0", Role::decode) == RoleChange::done);
    CHECK(router.change_role("e0", Role::prefill, pdroute::LastEndpoint::take) == RoleChange::done);
    CHECK(calls > 0);
    at_end = nullptr;
  }
}

TEST_CASE("a list takes an endpoint back into its old role: the endpoint keeps its health") {
  auto router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>::create(
                    {.prefill = nodes("e", 2), .decode = {}})
                    .value();
  CHECK(router.set_health("e0", pdroute::Health::unhealthy));
  CHECK(router.change_role("e0", Role::decode) == RoleChange::done);
  const auto report = router.assign(Role::prefill, nodes("e", 2)).value();
  CHECK(report.added == std::vector<std::string>{"e0"});
  CHECK(router.endpoint(Role::prefill, "e0")->health == pdroute::Health::unhealthy);
  CHECK_FALSE(router.endpoint(Role::prefill, "e0")->draining);
}
