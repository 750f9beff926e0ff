// SPDX-License-Identifier: Apache-2.0
// The load and the limits of a whole engine: its ranks, and its endpoints in both roles.
#include <pdroute/load/engine_load.hpp>
//
#include <pdroute/load/detail/engine_sums.hpp>
#include <pdroute/pdroute.hpp>
#include <pdroute/router/detail/exceeded_limits.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Capacity;
using pdroute::ConfigError;
using pdroute::EngineLoad;
using pdroute::ManualClock;
using pdroute::Role;

struct Rank {
  std::string id;        // "engine0/rank1"
  std::string instance;  // "engine0"
  pdroute::Capacity engine_capacity{};
};
using Least = pdroute::LowestCostPolicy<pdroute::Lexicographic<pdroute::EngineInFlight, pdroute::InFlight>>;
template <class Policy>
using RouterOf = pdroute::DisaggregatedRouter<Policy, Policy, Rank, ManualClock>;
using Counted = pdroute::WithMetrics<pdroute::RoundRobinPolicy<>, EngineLoad>;

template <class Policy = Counted>
RouterOf<Policy> make(const std::vector<Rank>& prefill, const std::vector<Rank>& decode) {
  return RouterOf<Policy>::create({.prefill = prefill, .decode = decode, .clock = ManualClock{}}).value();
}
/// A request of so many tokens to compute, and as many KV tokens.
struct Tokens {
  std::uint64_t count;
  [[nodiscard]] pdroute::Demand demand(const Rank& /*rank*/, Role /*role*/) const {
    return {.tokens = count, .kv_tokens = count};
  }
};

}  // namespace

TEST_CASE("an engine's limit on requests holds over both roles and all ranks together") {
  const Capacity two{.requests = 2};
  auto router = make({{"p", "1", two}}, {{"a", "1", two}, {"b", "1", two}});
  auto first = router.prefill();
  auto second = router.decode();
  REQUIRE(first);
  REQUIRE(second);
  const auto third = router.decode();
  REQUIRE_FALSE(third);
  CHECK(third.error().full == 2);
  CHECK(third.error().overloaded());
  first->complete();
  CHECK(router.decode());
}

TEST_CASE("an engine's limit on tokens holds over its ranks, and a prompt that is computed makes room") {
  const Capacity tokens{.tokens = 100};
  auto router = make({{"a", "1", tokens}, {"b", "1", tokens}}, {{"d", "2"}});
  auto first = router.prefill(Tokens{60});
  REQUIRE(first);
  CHECK_FALSE(router.prefill(Tokens{50}));
  CHECK(router.prefill(Tokens{40}));
  first->staged();
  CHECK(router.prefill(Tokens{50}));
}

TEST_CASE("a request that an idle engine could not hold is too large for all its ranks") {
  const Capacity tokens{.kv_tokens = 100};
  auto router = make({{"p", "1"}}, {{"a", "2", tokens}, {"b", "2", tokens}});
  const auto refused = router.decode(Tokens{101});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().too_large == 2);
  CHECK_FALSE(refused.error().overloaded());
}

TEST_CASE("an endpoint's own limit holds beside that of its engine") {
  auto pool = pdroute::EndpointPool<Role::decode, Rank, EngineLoad>{};
  REQUIRE(pool.assign(std::vector<Rank>{{"a", "1", {.requests = 8}}, {"b", "1", {.requests = 8}}}));
  CHECK_FALSE(pool.set_capacity("a", {.requests = 1}));
  CHECK(pool.endpoint("a")->capacity.requests == 1U);
}

TEST_CASE("the least loaded engine is chosen, whatever its ranks and roles") {
  // Engine 1 has two ranks for decode and one for prefill; engine 2 has one of each.
  auto router = make<Least>({{"p1", "1"}, {"p2", "2"}}, {{"a", "1"}, {"b", "1"}, {"c", "2"}});
  auto prompt = router.prefill();
  REQUIRE(prompt);
  const std::string busy = (*prompt)->instance;
  auto answer = router.decode();
  REQUIRE(answer);
  CHECK((*answer)->instance != busy);
}

TEST_CASE("a life that is no longer listed counts for its engine until its leases end") {
  const Capacity one{.requests = 1};
  auto router = make({{"p", "9"}}, {{"a", "1", one}});
  auto running = router.decode();
  REQUIRE(running);
  REQUIRE(router.assign(Role::decode, std::vector<Rank>{{"b", "1", one}}));
  CHECK_FALSE(router.decode());
  running->cancel();
  CHECK(router.decode());
}

TEST_CASE("an engine's limit that a list changes holds at once and is reported as a change") {
  auto router = make({{"p", "9"}}, {{"a", "1", {.requests = 1}}});
  auto running = router.decode();
  REQUIRE(running);
  CHECK_FALSE(router.decode());
  const auto report = router.assign(Role::decode, std::vector<Rank>{{"a", "1", {.requests = 2}}}).value();
  CHECK(report.changed == std::vector<std::string>{"a"});
  auto second = router.decode();
  CHECK(second);
  CHECK_FALSE(router.decode());
}

TEST_CASE("an engine's limit is refused in a role that does not count engines") {
  using Plain = pdroute::DisaggregatedRouter<Counted, pdroute::RoundRobinPolicy<>, Rank, ManualClock>;
  const std::vector<Rank> prefill{{"p", "1", {.requests = 2}}};
  const std::vector<Rank> decode{{"d", "2", {.requests = 3}}};
  const auto requests = Plain::create({.prefill = prefill, .decode = decode, .clock = ManualClock{}});
  REQUIRE_FALSE(requests);
  CHECK(requests.error().rule == ConfigError::Rule::capacity_counted);
  CHECK(requests.error().value == "d: 3 requests of its engine");

  const std::vector<Rank> tokens{{"d", "2", {.tokens = 5}}};
  const auto of_tokens = Plain::create({.prefill = prefill, .decode = tokens, .clock = ManualClock{}});
  REQUIRE_FALSE(of_tokens);
  CHECK(of_tokens.error().value == "d: 5 tokens of its engine");

  const std::vector<Rank> none{{"p", "1", {.requests = 0}}};
  const auto of_none = Plain::create({.prefill = none, .decode = tokens, .clock = ManualClock{}});
  REQUIRE_FALSE(of_none);
  CHECK(of_none.error().rule == ConfigError::Rule::capacity_in_range);
}

TEST_CASE("an explanation names the limit of the engine that leaves no room") {
  const Capacity one{.requests = 1};
  auto router = make({{"p", "9"}}, {{"a", "1", one}, {"b", "1", one}});
  auto running = router.decode();
  REQUIRE(running);
  const auto explanation = router.explain();
  REQUIRE(explanation.decode.endpoints[1].exceeded.size() == 1);
  CHECK(explanation.decode.endpoints[1].text() == "full (1 of 1 requests of its engine held, 1 asked)");
}

TEST_CASE("a metric without a pool is an engine of its own, and refuses without a trace") {
  EngineLoad load;
  load.set_engine_capacity({.requests = 2, .kv_tokens = 10});
  EngineLoad::Held first;
  EngineLoad::Held second;
  REQUIRE(load.try_hold({.tokens = 4, .kv_tokens = 7}, first));
  CHECK_FALSE(load.has_room({.kv_tokens = 4}));
  CHECK_FALSE(load.try_hold({.tokens = 4, .kv_tokens = 4}, second));
  CHECK(load.engine_in_flight() == 1);
  CHECK(load.engine_tokens() == 4);
  CHECK(load.engine_kv_tokens() == 7);
  load.grow(first, 5);
  CHECK(load.engine_kv_tokens() == 12);
  load.computed(first);
  CHECK(load.engine_tokens() == 0);
  load.let_go(first);
  CHECK(load.engine_kv_tokens() == 0);
  CHECK(load.engine_in_flight() == 0);
}

TEST_CASE("a table of engines keeps the sums of those that have endpoints, and forgets the others") {
  pdroute::detail::EngineTable table;
  const auto kept = table.of(1);
  for (std::uint64_t engine = 2; engine < 1000; ++engine) table.of(engine)->requests.grow(1);
  CHECK(table.of(1) == kept);
  CHECK(table.of(2)->requests.value() == 0);
}
