// SPDX-License-Identifier: Apache-2.0
// A refused request leaves no trace: a router that has refused requests makes the same choices as one that has not.
// A request that finds no endpoint for its second leg leaves no trace on the first.
#include <cstddef>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::KvTokens;
using pdroute::Outcomes;
using pdroute::QpsPolicy;
using pdroute::Role;
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;
using pdroute::TieRule;
using pdroute::Tokens;
using pdroute::WithMetrics;
using Ids = std::vector<std::string_view>;

/// A router with 3 x 2 endpoints. A test can make the policy of either leg decline.
template <class Policy>
struct Site {
  using Legs = Moody<WithMetrics<Policy, Tokens, KvTokens>>;
  using Router = pdroute::DisaggregatedRouter<Legs, Legs, Node, pdroute::ManualClock>;

  bool refuse_prefill = false;
  bool refuse_decode = false;
  Role first;
  Router router;
  typename Router::Dispatcher dispatcher;

  explicit Site(Role first_role, const pdroute::Capacity& capacity = {})
      : first(first_role),
        router(Router::create({.prefill = nodes("p", 3, capacity),
                               .decode = nodes("d", 2, capacity),
                               .prefill_policy = {{}, &refuse_prefill},
                               .decode_policy = {{}, &refuse_decode},
                               .first = first_role})
                   .value()),
        dispatcher(router.dispatcher()) {}

  bool& refuse_second() { return first == Role::prefill ? refuse_decode : refuse_prefill; }
  bool& refuse_first() { return first == Role::prefill ? refuse_prefill : refuse_decode; }

  std::string choices(int n) {
    std::string all;
    for (int i = 0; i < n; ++i) all += names(i % 3 == 2 ? router.route() : dispatcher.route()) + "; ";
    return all;
  }
};

/// Compares what the endpoints of two routers report, except the incarnations.
template <class Policy>
void check_same_state(const Site<Policy>& a, const Site<Policy>& b) {
  for (const Role role : {Role::prefill, Role::decode}) {
    const auto of_a = a.router.endpoints(role);
    const auto of_b = b.router.endpoints(role);
    for (std::size_t i = 0; i < of_a.size(); ++i) {
      INFO(of_a[i].id);
      CHECK(of_a[i].in_flight == of_b[i].in_flight);
      CHECK(of_a[i].tokens == of_b[i].tokens);
      CHECK(of_a[i].kv_tokens == of_b[i].kv_tokens);
      CHECK(of_a[i].outcomes == of_b[i].outcomes);
    }
  }
}

template <class Policy>
void second_declines() {
  const Role first = GENERATE(Role::prefill, Role::decode);
  const int before = GENERATE(0, 1, 3, 5);
  Site<Policy> site(first);
  Site<Policy> twin(first);
  CHECK(site.choices(before) == twin.choices(before));
  for (int i = 0; i < 5; ++i) {
    site.refuse_second() = i != 2;
    site.refuse_first() = i == 2;
    CHECK_FALSE(site.dispatcher.route({.prompt_tokens = 10}));
    CHECK_FALSE(site.router.route({.prompt_tokens = 10}));
    CHECK_FALSE(site.dispatcher.route({.prompt_tokens = 10}, {.compatible = [](auto&, auto&) { return true; }}));
  }
  site.refuse_second() = false;
  check_same_state(site, twin);
  CHECK(site.choices(24) == twin.choices(24));
  check_same_state(site, twin);
}

template <class Policy>
void none_passes() {
  const Role first = GENERATE(Role::prefill, Role::decode);
  const int before = GENERATE(0, 1, 3, 5);
  Site<Policy> site(first);
  Site<Policy> twin(first);
  using RouteFilter = typename Site<Policy>::Router::RouteFilter;
  CHECK(site.choices(before) == twin.choices(before));
  const Ids none;
  const auto never = [](const Node&, const Node&) { return false; };
  RouteFilter by_list;
  (first == Role::prefill ? by_list.decode : by_list.prefill).allowed = none;
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(site.dispatcher.route({.prompt_tokens = 10}, {.compatible = never}));
    CHECK_FALSE(site.router.route({.prompt_tokens = 10}, {.compatible = never}));
    CHECK_FALSE(site.dispatcher.route({.prompt_tokens = 10}, by_list));
    CHECK_FALSE(site.router.route({.prompt_tokens = 10}, by_list));
  }
  check_same_state(site, twin);
  CHECK(site.choices(24) == twin.choices(24));
  check_same_state(site, twin);
}

template <class Policy>
void second_is_full() {
  const Role first = GENERATE(Role::prefill, Role::decode);
  Site<Policy> site(first);
  Site<Policy> twin(first);
  // Both are filled alike, each endpoint of the second role by one request.
  const auto fill = [first](Site<Policy>& it) {
    std::vector<typename Site<Policy>::Router::Route> running;
    const Role second = first == Role::prefill ? Role::decode : Role::prefill;
    for (const auto& endpoint : it.router.endpoints(second))
      CHECK_FALSE(it.router.set_capacity(second, endpoint.id, {.requests = 1}));
    for (auto n = it.router.endpoints(second).size(); n > 0; --n) running.push_back(it.dispatcher.route().value());
    return running;
  };
  auto running = fill(site);
  auto running_there = fill(twin);
  for (int i = 0; i < 5; ++i) {
    CHECK(site.dispatcher.route().error().overloaded());
    CHECK(site.router.route().error().overloaded());
  }
  for (auto* all : {&running, &running_there}) {
    for (auto& route : *all) route.complete();
    all->clear();
  }
  check_same_state(site, twin);
  CHECK(site.choices(24) == twin.choices(24));
}

template <class Policy>
void one_leg_finds_none() {
  const Role first = GENERATE(Role::prefill, Role::decode);
  const int before = GENERATE(0, 1, 3, 5);
  Site<Policy> site(first);
  Site<Policy> twin(first);
  CHECK(site.choices(before) == twin.choices(before));
  site.refuse_prefill = site.refuse_decode = true;
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(site.dispatcher.prefill());
    CHECK_FALSE(site.dispatcher.decode());
    CHECK_FALSE(site.router.decode({}, {.allowed = Ids{}}));
    CHECK_FALSE(site.dispatcher.prefill({}, {.allowed = Ids{}}));
  }
  site.refuse_prefill = site.refuse_decode = false;
  check_same_state(site, twin);
  CHECK(site.choices(24) == twin.choices(24));
}

}  // namespace

TEMPLATE_TEST_CASE("the second policy declines: the same choices follow as without the request", "", RoundRobinPolicy<>,
                   RoundRobinPolicy<Rotation::per_dispatcher>, QpsPolicy<TieRule::first>) {
  second_declines<TestType>();
}
TEMPLATE_TEST_CASE("a filter leaves no endpoint on the second leg: the same choices follow as without the request", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>, QpsPolicy<TieRule::first>) {
  none_passes<TestType>();
}
TEMPLATE_TEST_CASE("the second role is full: the same choices follow as without the request", "", RoundRobinPolicy<>,
                   RoundRobinPolicy<Rotation::per_dispatcher>, QpsPolicy<TieRule::first>) {
  second_is_full<TestType>();
}
TEMPLATE_TEST_CASE("one leg alone finds no endpoint: the same choices follow as without the request", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>, QpsPolicy<TieRule::first>) {
  one_leg_finds_none<TestType>();
}
TEST_CASE("the second policy declines: ties are broken as without the request") {
  second_declines<QpsPolicy<>>();
}
TEST_CASE("a filter leaves no endpoint on the second leg: ties are broken as without the request") {
  none_passes<QpsPolicy<>>();
}
TEST_CASE("the second role is full: ties are broken as without the request") {
  second_is_full<QpsPolicy<>>();
}
TEST_CASE("one leg alone finds no endpoint: ties are broken as without the request") {
  one_leg_finds_none<QpsPolicy<>>();
}

TEST_CASE("a filtered request is refused: the starting point for breaking ties does not move") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  const int before = GENERATE(1, 2, 3, 5);
  Site<QpsPolicy<>> site(first);
  Site<QpsPolicy<>> twin(first);
  CHECK(site.choices(before) == twin.choices(before));
  const Ids some{"p0", "d0"};
  site.refuse_second() = true;
  CHECK_FALSE(site.dispatcher.route({}, {.prefill = {.allowed = some}, .decode = {.allowed = some}}));
  site.refuse_second() = false;
  CHECK(site.choices(24) == twin.choices(24));
}
