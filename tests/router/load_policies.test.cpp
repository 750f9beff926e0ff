// SPDX-License-Identifier: Apache-2.0
// Load policies in a router, as prefill and as decode policy, while requests come and end.
#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using pdroute::Role;
template <class Prefill, class Decode = Prefill>
using Router = pdroute::DisaggregatedRouter<Prefill, Decode, Engine, pdroute::ManualClock>;

template <class R>
R router_of(std::size_t each) {
  return R::create({.prefill = engines("p", each), .decode = engines("d", each)}).value();
}

template <class R>
std::vector<std::uint32_t> in_flight(const R& router, Role role) {
  std::vector<std::uint32_t> counts;
  for (const auto& endpoint : router.endpoints(role)) counts.push_back(endpoint.in_flight);
  return counts;
}

template <class Dispatcher>
auto prefill(Dispatcher& dispatcher, std::uint64_t prompt_tokens) {
  auto lease = dispatcher.prefill({.prompt_tokens = prompt_tokens});
  REQUIRE(lease);
  return std::move(*lease);
}

}  // namespace

TEMPLATE_TEST_CASE("load: many requests are held, they spread evenly over the endpoints of both roles", "",
                   pdroute::LeastRequestPolicy, pdroute::LeastTokensPolicy, pdroute::LeastKvPolicy,
                   (pdroute::LowestCostPolicy<pdroute::InFlight, 4>)) {
  auto router = router_of<Router<TestType>>(4);
  auto dispatcher = router.dispatcher();
  std::vector<typename Router<TestType>::Route> held;
  for (int i = 0; i < 40; ++i) {
    auto route = dispatcher.route({.prompt_tokens = 100});
    REQUIRE(route);
    held.push_back(std::move(*route));
  }
  CHECK(in_flight(router, Role::prefill) == std::vector<std::uint32_t>(4, 10));
  CHECK(in_flight(router, Role::decode) == std::vector<std::uint32_t>(4, 10));

  // An endpoint that becomes free is filled again.
  for (auto& route : held) {
    if (route.decode.id() != "d2") continue;
    route.decode.complete();
    auto lease = dispatcher.decode({.prompt_tokens = 100});
    REQUIRE(lease);
    CHECK(lease->id() == "d2");
    route.decode = std::move(*lease);
  }
}

TEST_CASE("load: one long prompt runs, least tokens sends ten short ones elsewhere") {
  auto router = router_of<Router<pdroute::LeastTokensPolicy, pdroute::RandomPolicy<>>>(2);
  auto dispatcher = router.dispatcher();
  const auto longest = prefill(dispatcher, 1000);
  std::vector<decltype(prefill(dispatcher, 0))> shorts;
  for (int i = 0; i < 10; ++i) {
    shorts.push_back(prefill(dispatcher, 100));
    CHECK(shorts.back().id() != longest.id());
  }
  CHECK(in_flight(router, Role::prefill) == std::vector<std::uint32_t>{1, 10});
}

TEST_CASE("load: least requests counts requests and ignores their size") {
  auto router = router_of<Router<pdroute::LeastRequestPolicy>>(2);
  auto dispatcher = router.dispatcher();
  const auto longest = prefill(dispatcher, 1000);
  const auto second = prefill(dispatcher, 100);
  const auto third = prefill(dispatcher, 100);
  CHECK(third.id() == longest.id());
}

TEST_CASE("load: decode generates tokens, and least KV counts them") {
  auto router = router_of<Router<pdroute::RandomPolicy<>, pdroute::LeastKvPolicy>>(2);
  auto dispatcher = router.dispatcher();
  auto long_answer = dispatcher.decode({.prompt_tokens = 10});
  auto short_answer = dispatcher.decode({.prompt_tokens = 50});
  REQUIRE((long_answer && short_answer));
  CHECK(long_answer->id() != short_answer->id());
  {
    const auto next = dispatcher.decode({.prompt_tokens = 1});
    CHECK(next->id() == long_answer->id());
  }
  long_answer->progress(41);
  const auto next = dispatcher.decode({.prompt_tokens = 1});
  CHECK(next->id() == short_answer->id());
}

TEMPLATE_TEST_CASE("load: a removed endpoint is not chosen, and has no load when it returns", "",
                   pdroute::LeastRequestPolicy, pdroute::LeastTokensPolicy, pdroute::LeastKvPolicy,
                   pdroute::PowerOfTwoChoicesPolicy<>) {
  auto router = router_of<Router<TestType>>(2);
  auto dispatcher = router.dispatcher();
  std::vector<typename Router<TestType>::Route> held;
  const auto hold = [&] {
    auto route = dispatcher.route({.prompt_tokens = 10});
    REQUIRE(route);
    held.push_back(std::move(*route));
    return std::string(held.back().decode.id());
  };
  for (int i = 0; i < 6; ++i) hold();
  REQUIRE(router.assign(Role::decode, engines("d", 1)));
  for (int i = 0; i < 6; ++i) CHECK(hold() == "d0");
  REQUIRE(router.assign(Role::decode, engines("d", 2)));
  CHECK(hold() == "d1");  // two choices among two endpoints compare both
}

TEST_CASE("load: a slot stores no metric that its role's policy does not read") {
  constexpr auto size_for = []<class Policy>(Policy /*policy*/) {
    return sizeof(pdroute::detail::Slot<Role::prefill, Engine, pdroute::detail::LoadOf<Policy>>);
  };
  constexpr std::size_t bare = sizeof(pdroute::detail::Slot<Role::prefill, Engine, pdroute::NoLoad>);
  CHECK(size_for(pdroute::LeastRequestPolicy{}) == bare);
  CHECK(size_for(pdroute::PowerOfTwoChoicesPolicy<>{}) == bare);
  CHECK(size_for(pdroute::LeastTokensPolicy{}) > bare);
  CHECK(size_for(pdroute::LeastKvPolicy{}) > bare);
}

TEST_CASE("load: a caller's own cost reads the caller's own endpoint") {
  struct Priced {
    std::string id;
    double price;
  };
  using Cheapest = pdroute::LowestCostPolicy<decltype([](const auto& c) { return c.endpoint().price; })>;
  const std::vector<Priced> list{{"dear", 3}, {"cheap", 1}, {"fair", 2}};
  auto router = pdroute::DisaggregatedRouter<Cheapest, Cheapest, Priced>::create({.prefill = list, .decode = list});
  REQUIRE(router);
  const auto route = router->route();
  REQUIRE(route);
  CHECK(route->prefill.id() == "cheap");
  CHECK(route->decode.id() == "cheap");
}

TEST_CASE("fault: two choices draw with replacement, so the busier of two hosts still gets 25 %") {
  auto router = router_of<Router<pdroute::PowerOfTwoChoicesPolicy<>>>(2);
  auto dispatcher = router.dispatcher();
  const auto busy = prefill(dispatcher, 1);
  for (int i = 0; i < 1000; ++i) {
    const auto next = prefill(dispatcher, 1);
    CHECK(next.id() != busy.id());
  }
}

TEMPLATE_TEST_CASE("fault: load counts from dispatch and not from the choice, so a burst herds", "",
                   pdroute::LeastRequestPolicy, pdroute::LeastTokensPolicy, pdroute::LeastKvPolicy,
                   pdroute::PowerOfTwoChoicesPolicy<>) {
  // Nothing of the burst has been sent yet when the next choice is made, and several dispatchers choose.
  auto router = router_of<Router<TestType>>(8);
  std::vector<typename Router<TestType>::Dispatcher> dispatchers;
  for (int i = 0; i < 4; ++i) dispatchers.push_back(router.dispatcher());
  std::vector<typename Router<TestType>::Route> burst;
  for (std::size_t i = 0; i < 1000; ++i) {
    auto route = dispatchers[i % dispatchers.size()].route({.prompt_tokens = 100});
    REQUIRE(route);
    burst.push_back(std::move(*route));
  }
  // A full scan is even to within one; two choices to within O(log log n), here a handful.
  const std::uint32_t slack = std::is_same_v<TestType, pdroute::PowerOfTwoChoicesPolicy<>> ? 5 : 0;
  for (const Role role : {Role::prefill, Role::decode}) {
    for (const std::uint32_t count : in_flight(router, role)) {
      CHECK(count <= 125 + slack);
      CHECK(count + slack >= 125);
    }
  }
}

namespace {

/// The share of the KV limit that is held: a small endpoint fills up sooner than a large one.
struct KvShare {
  using Load = pdroute::KvTokens;
  double operator()(const auto& candidate) const {
    const auto limit = candidate.capacity().kv_tokens;
    return limit ? static_cast<double>(candidate.kv_tokens()) / static_cast<double>(*limit) : 0;
  }
};
struct Sized {
  std::string id;
  pdroute::Capacity capacity = {};
};

}  // namespace

TEST_CASE("a cost that reads the limits of candidates fills endpoints in proportion to them") {
  using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::LowestCostPolicy<KvShare>, Sized>;
  const std::vector<Sized> decode{{"small", {.kv_tokens = 1000}}, {"large", {.kv_tokens = 3000}}};
  auto router = Router::create({.decode = decode}).value();
  auto dispatcher = router.dispatcher();
  std::vector<Router::DecodeLease> held;
  int small = 0;
  for (int i = 0; i < 40; ++i) {
    held.push_back(dispatcher.decode(pdroute::Request{.prompt_tokens = 100}).value());
    small += held.back()->id == "small" ? 1 : 0;
  }
  CHECK(small == 10);
  CHECK(dispatcher.decode(pdroute::Request{.prompt_tokens = 100}).error().full == 2);
}
