// SPDX-License-Identifier: Apache-2.0
#include <pdroute/adapt/fmt.hpp>

#include <pdroute/pdroute.hpp>
#include <utility>

#include "catch2_compat.hpp"
#include "engines.hpp"

using pdroute::Role;

TEST_CASE("fmt: a refusal prints what ruled endpoints out, and leaves out zero counts") {
  CHECK(fmt::format("{}", pdroute::NoEndpoint{.role = Role::decode}) == "no decode endpoint: there are none");
  CHECK(fmt::format("{}", pdroute::NoEndpoint{.role = Role::decode, .endpoints = 3, .unhealthy = 3}) ==
        "no decode endpoint: 3 unhealthy of 3");
  CHECK(fmt::format(
            "{}",
            pdroute::NoEndpoint{
                .role = Role::prefill, .endpoints = 10, .unhealthy = 1, .paused = 2, .draining = 3, .declined = 4}) ==
        "no prefill endpoint: 1 unhealthy, 2 paused, 3 draining, 4 declined of 10");
}

TEST_CASE("fmt: a config error prints its rule and its value") {
  CHECK(fmt::format("{}", pdroute::ConfigError{pdroute::ConfigError::Rule::id_unique, "d0"}) ==
        "an id must be unique within its role: d0");
}

TEST_CASE("fmt: routes, leases, roles and endpoints print by their ids") {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 2)}).value();
  auto route = router.route();
  CHECK(fmt::format("{}", *route) == "p0 -> d0");
  route->prefill.complete();
  CHECK(fmt::format("{}", *route) == "(ended) -> d0");
  CHECK(fmt::format("{}", route->decode) == "d0");
  CHECK(fmt::format("{}", Role::prefill) == "prefill");
  CHECK(fmt::format("{}", router.endpoints(Role::decode)[0]) == "d0#1 healthy, accepting, 1 in flight");
  router.drain(Role::decode, "d0");
  CHECK(fmt::format("{}", router.endpoints(Role::decode)[0]) == "d0#1 healthy, draining, 1 in flight");
  router.set_health("d1", pdroute::Health::unhealthy);
  router.set_intake(Role::decode, "d1", pdroute::Intake::paused);
  CHECK(fmt::format("{}", router.endpoints(Role::decode)[1]) == "d1#2 unhealthy, paused, 0 in flight");
  router.set_health("d1", pdroute::Health::healthy);
  router.set_intake(Role::decode, "d1", pdroute::Intake::bound_only);
  CHECK(fmt::format("{}", router.endpoints(Role::decode)[1]) == "d1#2 healthy, bound sessions only, 0 in flight");
}

TEST_CASE("fmt: an endpoint prints its weight if that is 0") {
  pdroute::EndpointStatus<Engine> status;
  status.id = "d0";
  CHECK(fmt::format("{}", status) == "d0#0 healthy, accepting, 0 in flight");
  status.weight = 0;
  CHECK(fmt::format("{}", status) == "d0#0 healthy, accepting, weight 0, 0 in flight");
}

TEST_CASE("fmt: endpoints print their limits beside what they hold, and whether that is over capacity") {
  using Decode = pdroute::WithMetrics<pdroute::RoundRobinPolicy<>, pdroute::Tokens, pdroute::KvTokens>;
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Decode, Engine>;
  auto router = Router::create({.prefill = engines("p", 1), .decode = engines("d", 1)}).value();
  const auto printed = [&] { return fmt::format("{}", router.endpoints(Role::decode)[0]); };
  auto lease = router.decode({.prompt_tokens = 70}).value();
  CHECK(printed() == "d0#1 healthy, accepting, 1 in flight");
  REQUIRE_FALSE(router.set_capacity(Role::decode, "d0", {.requests = 2}));
  CHECK(printed() == "d0#1 healthy, accepting, 1 of 2 in flight");
  REQUIRE_FALSE(router.set_capacity(Role::decode, "d0", {.tokens = 90, .kv_tokens = 80}));
  CHECK(printed() == "d0#1 healthy, accepting, 1 in flight, 70 of 90 tokens, 70 of 80 KV tokens");
  lease.progress(11);
  CHECK(printed() == "d0#1 healthy, accepting, 1 in flight, 81 of 90 tokens, 81 of 80 KV tokens, over capacity");
}

TEST_CASE("fmt: a capacity prints what it limits") {
  CHECK(fmt::format("{}", pdroute::Capacity{}) == "no limits");
  CHECK(fmt::format("{}", pdroute::Capacity{.requests = 8, .tokens = 9, .kv_tokens = 10}) ==
        "8 requests, 9 tokens, 10 KV tokens");
  CHECK(fmt::format("{}", pdroute::Capacity{.kv_tokens = 10}) == "10 KV tokens");
}

TEST_CASE("fmt: outcomes and refusals leave out zero counts") {
  CHECK(fmt::format("{}", pdroute::Outcomes{}) == "none ended");
  CHECK(fmt::format("{}", pdroute::Outcomes{.completed = 7, .timed_out = 2}) == "7 completed, 2 timed_out");
  CHECK(fmt::format("{}", pdroute::Outcomes{1, 2, 3, 0, 4, 5, 6, 7}) ==
        "1 completed, 2 rejected, 3 cancelled, 4 unreachable, 5 timed_out, 6 bad_response, 7 overloaded");
  CHECK(fmt::format("{}", pdroute::Refusals{}) == "0 refused");
  CHECK(fmt::format("{}", pdroute::Refusals{9, 1, 2, 3, 9, 11, 4, 5, 6, 10, 7, 8}) ==
        "9 refused, unhealthy in 1, paused in 2, draining in 3, ejected in 9, bound_only in 11, excluded in 4, "
        "disallowed in 5, incompatible in 6, too_large in 10, full in 7, declined in 8");
}

TEST_CASE("fmt: kinds, keys, ids, id errors and role changes print as one word or sentence") {
  CHECK(fmt::format("{}", pdroute::FailureKind::timed_out) == "timed_out");
  CHECK(fmt::format("{}", pdroute::EndpointKey{Role::decode, 7}) == "decode#7");
  CHECK(fmt::format("{}", pdroute::LeaseId{33554432}) == "33554432");
  CHECK(fmt::format("{}", pdroute::LeaseIdError::used) == "used lease id: its lease has been adopted");
  CHECK(fmt::format("{}", pdroute::RoleChange::done) == "done");
  CHECK(fmt::format("{}", pdroute::RoleChange::no_such_endpoint) == "no such endpoint");
  CHECK(fmt::format("{}", pdroute::RoleChange::already_there) == "already there");
  CHECK(fmt::format("{}", pdroute::RoleChange::last_of_its_role) == "last of its role");
}

TEST_CASE("fmt: an explanation prints as a table of costs or reasons, with the chosen endpoint marked") {
  using Router = pdroute::DisaggregatedRouter<pdroute::LeastTokensPolicy, pdroute::RoundRobinPolicy<>, Engine>;
  auto router =
      Router::create({.prefill = Engines{{"p0"}, {"long-p1"}, {"p2"}}, .decode = Engines{{"d0"}, {"long-d1"}}}).value();
  const auto printed = [&] {
    const auto explanation = router.explain();
    CHECK(explanation.text() == fmt::format("{}", explanation));
    return explanation.text();
  };
  const auto lease = router.prefill({.prompt_tokens = 812}).value();
  router.set_health("p2", pdroute::Health::unhealthy);
  CHECK(printed() ==
        "prefill: long-p1, lowest cost of 2\n"
        "  p0       tokens 812\n"
        "  long-p1  tokens 0    <- chosen\n"
        "  p2       unhealthy\n"
        "decode: d0, its turn\n"
        "  d0       <- chosen\n"
        "  long-d1");
  REQUIRE_FALSE(router.set_capacity(Role::prefill, "p0", {.requests = 1}));
  const auto other = router.prefill({.prompt_tokens = 7}).value();
  REQUIRE_FALSE(router.set_capacity(Role::prefill, "long-p1", {.requests = 1}));
  CHECK(printed() ==
        "prefill: none: 1 unhealthy, 2 full of 3\n"
        "  p0       full (1 of 1 requests held, 1 asked)\n"
        "  long-p1  full (1 of 1 requests held, 1 asked)\n"
        "  p2       unhealthy\n"
        "decode: none, because there is no prefill endpoint\n"
        "  d0\n"
        "  long-d1");
}
