// SPDX-License-Identifier: Apache-2.0
// A drain for new sessions only: endpoints that take bound sessions and no others.
#include <pdroute/router/detail/home.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/chosen.hpp"
#include "router/support.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::Intake;
using pdroute::ManualClock;
using pdroute::NoEndpoint;
using pdroute::Request;
using pdroute::Role;
using pdroute::SessionTable;
using RoundRobin = pdroute::RoundRobinPolicy<>;
using Sticky = pdroute::SessionAffinityPolicy<pdroute::LeastRequestPolicy>;
using Router = pdroute::DisaggregatedRouter<RoundRobin, Sticky, Node, ManualClock>;

const Request u42{.prompt_tokens = 1, .key = pdroute::key("u42")};

/// Chooses an index out of range, which counts as none.
struct Beyond {
  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const {
    return candidates.size();
  }
};

/// Three decode endpoints. The session u42 is bound to d1, which takes bound sessions only.
struct Gateway {
  ManualClock clock;
  std::shared_ptr<SessionTable> sessions = std::make_shared<SessionTable>();
  Router router;
  Router::Dispatcher dispatcher = router.dispatcher();

  explicit Gateway(std::optional<std::uint32_t> margin = 32)
      : router(Router::create({.prefill = nodes("p", 1),
                               .decode = nodes("d", 3, {.requests = 40}),
                               .decode_policy = {.sessions = sessions, .margin = margin},
                               .clock = clock,
                               .outlier_detection = {.consecutive_failures = 3}})
                   .value()) {
    auto home = dispatcher.decode(u42, {.allowed = only}).value();
    sessions->bind(*u42.key, home, clock.now());
    home.complete();
    REQUIRE(router.set_intake(Role::decode, "d1", Intake::bound_only));
  }
  std::string chosen(const Request& request) { return std::string(dispatcher.decode(request).value().id()); }
  void leave_none_but_home() {
    for (const char* id : {"d0", "d2"}) router.set_health(id, pdroute::Health::unhealthy);
  }

  const std::vector<std::string_view> only{"d1"};
};

}  // namespace

TEST_CASE("bound only: the bound session stays, and no other request comes") {
  Gateway gateway;
  for (int i = 0; i < 20; ++i) {
    CHECK(gateway.chosen(u42) == "d1");
    CHECK(gateway.chosen({}) != "d1");
    CHECK(gateway.chosen({.key = pdroute::key("u43")}) != "d1");
    CHECK(gateway.chosen({.key = pdroute::key("u42/helper"), .group = u42.key}) != "d1");
  }
  const auto status = gateway.router.endpoint(Role::decode, "d1").value();
  CHECK(status.intake == Intake::bound_only);
  CHECK_FALSE(status.eligible());
  gateway.router.set_intake(Role::decode, "d1", Intake::accepting);
  CHECK(gateway.router.endpoint(Role::decode, "d1")->eligible());
}

TEST_CASE("bound only: with a filter, and beside another leg, the bound session stays") {
  Gateway gateway;
  const auto any = [](const Node&) { return true; };
  CHECK(gateway.dispatcher.decode(u42, {.accept = any})->id() == "d1");
  CHECK(gateway.dispatcher.decode(Request{}, {.accept = any})->id() != "d1");
  const auto prefill = gateway.dispatcher.prefill().value();
  const auto fits = [](const Node&, const Node&) { return true; };
  CHECK(gateway.dispatcher.decode(u42, {.compatible = fits}, *prefill)->id() == "d1");
  CHECK(gateway.dispatcher.route(u42, {.compatible = fits})->decode.id() == "d1");
  const auto group = [](const Node&) { return 1; };
  CHECK(gateway.dispatcher.route(u42, {.group = group})->decode.id() == "d1");
}

TEST_CASE("bound only: the home is unhealthy, paused, drained, full or excluded, the session moves") {
  Gateway gateway;
  gateway.router.set_health("d1", pdroute::Health::unhealthy);
  CHECK(gateway.chosen(u42) != "d1");
  gateway.router.set_health("d1", pdroute::Health::healthy);
  CHECK(gateway.chosen(u42) == "d1");
  gateway.router.set_intake(Role::decode, "d1", Intake::paused);
  CHECK(gateway.chosen(u42) != "d1");
  gateway.router.set_intake(Role::decode, "d1", Intake::bound_only);
  {
    auto running = gateway.dispatcher.decode(u42).value();
    CHECK_FALSE(gateway.router.set_capacity(Role::decode, "d1", {.requests = 1}));
    CHECK(gateway.chosen(u42) != "d1");
  }
  CHECK(gateway.chosen(u42) == "d1");
  pdroute::FailedEndpoints<> failed;
  gateway.dispatcher.decode(u42)->fail(pdroute::FailureKind::timed_out, failed);
  CHECK(gateway.dispatcher.decode(u42, {.exclude = failed})->id() != "d1");
  gateway.router.drain(Role::decode, "d1");
  CHECK(gateway.chosen(u42) != "d1");
}

TEST_CASE("bound only: the home is further ahead than the margin, the request goes elsewhere") {
  Gateway gateway{2};
  std::vector<Router::DecodeLease> running;
  for (int i = 0; i < 3; ++i) running.push_back(gateway.dispatcher.decode(u42).value());
  CHECK(running.back().id() == "d1");
  CHECK(gateway.chosen(u42) != "d1");
}

TEST_CASE(
    "bound only: the home is further ahead than the margin, the fallback does not choose it with a filter either") {
  using InTurn = pdroute::SessionAffinityPolicy<RoundRobin>;
  const auto sessions = std::make_shared<SessionTable>();
  ManualClock clock;
  auto router = pdroute::DisaggregatedRouter<RoundRobin, InTurn, Node, ManualClock>::create(
                    {.prefill = nodes("p", 1),
                     .decode = nodes("d", 3),
                     .decode_policy = {.sessions = sessions, .margin = 0},
                     .clock = clock})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto home = dispatcher.decode(u42).value();
  sessions->bind(*u42.key, home, clock.now());
  REQUIRE(router.set_intake(Role::decode, home.id(), Intake::bound_only));
  for (int i = 0; i < 12; ++i)
    CHECK(dispatcher.decode(u42, {.accept = [](const Node& /*node*/) { return true; }})->id() != home.id());
}

TEST_CASE("bound only: no other endpoint is left, an unbound request is refused with a reason, a bound one is not") {
  Gateway gateway;
  gateway.leave_none_but_home();
  CHECK(gateway.chosen(u42) == "d1");
  CHECK(gateway.dispatcher.route(u42)->decode.id() == "d1");
  const NoEndpoint expected{.role = Role::decode, .endpoints = 3, .unhealthy = 2, .bound_only = 1};
  CHECK(gateway.dispatcher.decode().error() == expected);
  CHECK(gateway.dispatcher.route({}).error() == expected);
  CHECK_FALSE(expected.overloaded());
  CHECK(gateway.router.refusals(Role::decode).bound_only == 2);
  CHECK(gateway.router.route(u42)->decode.id() == "d1");
  const auto explained = gateway.router.explain();
  CHECK(explained.refusal == expected);
  CHECK(explained.decode.endpoints[1].ruled_out == "bound_only");
  const auto of_bound = gateway.router.explain(u42);
  CHECK(chosen(of_bound.decode).id == "d1");
  CHECK(of_bound.decode.why == "it serves the session");
}

TEST_CASE("bound only: a full home counts as full for its own session, and as bound_only for others") {
  Gateway gateway;
  gateway.leave_none_but_home();
  REQUIRE_FALSE(gateway.router.set_capacity(Role::decode, "d1", {.requests = 1}));
  auto running = gateway.dispatcher.decode(u42).value();
  const NoEndpoint of_session{.role = Role::decode, .endpoints = 3, .unhealthy = 2, .full = 1};
  CHECK(gateway.dispatcher.decode(u42).error() == of_session);
  CHECK(gateway.dispatcher.decode(u42, {.allowed = gateway.only}).error() == of_session);
  CHECK(gateway.router.explain(u42).refusal == of_session);
  CHECK(gateway.dispatcher.decode(Request{}, {.allowed = gateway.only}).error() ==
        NoEndpoint{.role = Role::decode, .endpoints = 3, .unhealthy = 2, .bound_only = 1});
}

TEST_CASE("bound only: a policy that knows no sessions never chooses it, also by an index out of range") {
  auto router = pdroute::DisaggregatedRouter<pdroute::LeastRequestPolicy, Beyond, Node>::create(
                    {.prefill = nodes("p", 2), .decode = nodes("d", 2)})
                    .value();
  router.set_intake(Role::prefill, "p0", Intake::bound_only);
  router.set_intake(Role::decode, "d0", Intake::bound_only);
  for (int i = 0; i < 5; ++i) CHECK(router.prefill(u42)->id() == "p1");
  CHECK(router.decode(u42).error() == NoEndpoint{.role = Role::decode, .endpoints = 2, .bound_only = 1, .declined = 1});
  router.set_intake(Role::prefill, "p1", Intake::bound_only);
  CHECK(router.prefill(u42).error() == NoEndpoint{.role = Role::prefill, .endpoints = 2, .bound_only = 2});
}

TEST_CASE("bound only: inside AnyPolicy and WithMetrics, the bound session stays") {
  using Any = pdroute::AnyPolicy<RoundRobin, pdroute::WithMetrics<Sticky, pdroute::KvTokens>>;
  using OfAny = pdroute::DisaggregatedRouter<RoundRobin, Any, Node, ManualClock>;
  STATIC_REQUIRE(pdroute::detail::reaches_bound_only<Any>);
  STATIC_REQUIRE_FALSE(pdroute::detail::reaches_bound_only<pdroute::AnyPolicy<RoundRobin>>);
  ManualClock clock;
  const auto sessions = std::make_shared<SessionTable>();
  pdroute::WithMetrics<Sticky, pdroute::KvTokens> sticky;
  sticky.sessions = sessions;
  auto router =
      OfAny::create({.prefill = nodes("p", 1), .decode = nodes("d", 3), .decode_policy = {sticky}, .clock = clock})
          .value();
  auto lease = router.decode(u42).value();
  sessions->bind(*u42.key, lease, clock.now());
  router.set_intake(Role::decode, lease.id(), Intake::bound_only);
  for (int i = 0; i < 6; ++i) {
    CHECK(router.decode(u42)->id() == lease.id());
    CHECK(router.decode()->id() != lease.id());
  }
}

TEST_CASE("bound only: set for a time, the first advance after it lets the endpoint accept again") {
  Gateway gateway;
  REQUIRE(gateway.router.set_intake(Role::decode, "d1", Intake::bound_only, 5s));
  CHECK(gateway.router.endpoint(Role::decode, "d1")->until == std::chrono::nanoseconds{5s});
  gateway.clock.advance(4s);
  gateway.router.advance(gateway.clock.now());
  CHECK(gateway.router.endpoint(Role::decode, "d1")->intake == Intake::bound_only);
  gateway.leave_none_but_home();
  CHECK(gateway.dispatcher.decode().error().bound_only == 1);
  gateway.clock.advance(1s);
  gateway.router.advance(gateway.clock.now());
  CHECK(gateway.router.endpoint(Role::decode, "d1")->intake == Intake::accepting);
  CHECK(gateway.chosen({}) == "d1");
}

TEST_CASE("bound only: an endpoint that keeps failing is ejected, and its session moves") {
  Gateway gateway;
  for (int i = 0; i < 3; ++i) gateway.dispatcher.decode(u42)->fail(pdroute::FailureKind::bad_response);
  CHECK(gateway.chosen(u42) != "d1");
  gateway.router.advance(gateway.clock.now());
  CHECK(gateway.router.endpoint(Role::decode, "d1")->ejection == pdroute::EjectionPhase::ejected);
  CHECK(gateway.chosen(u42) != "d1");
}

TEST_CASE("bound only: the last home keeps failing and no other is left, its session is still served") {
  Gateway gateway;
  gateway.leave_none_but_home();
  for (int i = 0; i < 5; ++i) {
    auto lease = gateway.dispatcher.decode(u42);
    REQUIRE(lease);
    lease->fail(pdroute::FailureKind::bad_response);
  }
}

TEST_CASE("bound only: the last endpoint that accepts keeps its role") {
  Gateway gateway;
  gateway.router.set_intake(Role::decode, "d0", Intake::bound_only);
  CHECK(gateway.router.change_role("d2", Role::prefill) == pdroute::RoleChange::last_of_its_role);
  CHECK(gateway.router.change_role("d0", Role::prefill) == pdroute::RoleChange::done);
  CHECK(gateway.router.endpoint(Role::prefill, "d0")->intake == Intake::bound_only);
}
