// SPDX-License-Identifier: Apache-2.0
// "Never" is not "later": a request that demands more than an idle endpoint may hold has a reason of its own.
#include <algorithm>
#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::FailedEndpoints;
using pdroute::FailureKind;
using pdroute::KvTokens;
using pdroute::NoEndpoint;
using pdroute::Refusals;
using pdroute::Role;
using pdroute::Tokens;
using Counting = pdroute::WithMetrics<pdroute::LeastRequestPolicy, Tokens, KvTokens>;
using Router = pdroute::DisaggregatedRouter<Counting, Counting, Node>;

/// A metric of a gateway's own, which rounds demands up to blocks of 16 tokens and keeps at most ten blocks.
struct Blocks {
  struct Options {};
  struct Held {
    std::uint64_t blocks = 0;
  };
  explicit Blocks(Options /*options*/) {}
  static std::uint64_t blocks(const pdroute::Demand& demand) { return (demand.kv_tokens + 15) / 16; }
  [[nodiscard]] bool has_room(const pdroute::Demand& demand) const { return used + blocks(demand) <= 10; }
  [[nodiscard]] static bool could_hold(const pdroute::Demand& demand) { return blocks(demand) <= 10; }
  bool try_hold(const pdroute::Demand& demand, Held& own) {
    if (!has_room(demand)) return false;
    used += own.blocks = blocks(demand);
    return true;
  }
  void grow(Held& /*held*/, std::uint64_t /*tokens*/) {}
  void let_go(Held& own) { used -= own.blocks; }
  static void set_capacity(const pdroute::Capacity& /*capacity*/) {}

  std::uint64_t used = 0;
};
}  // namespace

TEST_CASE("a request above every limit is too large for all, one that waits for room is overload") {
  const Role limited = GENERATE(Role::prefill, Role::decode);
  const Role first = GENERATE(Role::prefill, Role::decode);
  const Nodes small = nodes("e", 2, {.kv_tokens = 8000});
  auto router = Router::create({.prefill = limited == Role::prefill ? small : nodes("e", 1),
                                .decode = limited == Role::decode ? small : nodes("e", 1),
                                .first = first})
                    .value();
  auto dispatcher = router.dispatcher();
  const NoEndpoint never{.role = limited, .endpoints = 2, .too_large = 2};
  CHECK(dispatcher.route({.prompt_tokens = 8001}).error() == never);
  CHECK(router.route({.prompt_tokens = 8001}).error() == never);
  CHECK(dispatcher.route({.prompt_tokens = 8001}, {.group = [](const Node& node) { return node.group; }}).error() ==
        never);
  CHECK(never.too_large_for_all());
  CHECK_FALSE(never.overloaded());
  auto all = dispatcher.route({.prompt_tokens = 8000}).value();
  auto again = dispatcher.route({.prompt_tokens = 8000}).value();
  CHECK(dispatcher.route({.prompt_tokens = 8001}).error() == never);  // also while the endpoints are full
  CHECK(dispatcher.route({.prompt_tokens = 8000}).error() == NoEndpoint{.role = limited, .endpoints = 2, .full = 2});
  CHECK(router.refusals(limited) == Refusals{.requests = 5, .too_large = 4, .full = 1});
  again.complete();
  CHECK(dispatcher.route({.prompt_tokens = 8000}));
}

TEST_CASE("some endpoints are too small and others full: it is overload, and each counts under its own reason") {
  const Nodes decode{{"d0", 'a', {.kv_tokens = 100}}, {"d1", 'a', {.kv_tokens = 1000}}, {"d2", 'a', {.tokens = 50}}};
  auto router = Router::create({.prefill = nodes("p", 1), .decode = decode}).value();
  auto dispatcher = router.dispatcher();
  auto held = dispatcher.decode({.prompt_tokens = 600}).value();
  CHECK(held.id() == "d1");  // the only one that could ever hold it
  CHECK(dispatcher.decode({.prompt_tokens = 600}).error() ==
        NoEndpoint{.role = Role::decode, .endpoints = 3, .too_large = 2, .full = 1});
  held.progress(10'000);  // far above the limit: still only full
  CHECK(dispatcher.decode({.prompt_tokens = 600}).error().full == 1);
  REQUIRE(router.set_health("d1", pdroute::Health::unhealthy));
  const auto refused = dispatcher.decode({.prompt_tokens = 600}).error();
  CHECK(refused == NoEndpoint{.role = Role::decode, .endpoints = 3, .unhealthy = 1, .too_large = 2});
  CHECK_FALSE(refused.overloaded());
  CHECK_FALSE(refused.too_large_for_all());  // the unhealthy one may be larger
  REQUIRE(router.set_health("d1", pdroute::Health::healthy));
  held.complete();
  REQUIRE_FALSE(router.set_capacity(Role::decode, "d1", {.kv_tokens = 599}));
  CHECK(dispatcher.decode({.prompt_tokens = 600}).error().too_large_for_all());  // limits count as they are now
  REQUIRE_FALSE(router.set_capacity(Role::decode, "d1", {}));
  CHECK(dispatcher.decode({.prompt_tokens = ~std::uint64_t{0}}));
}

TEST_CASE("an endpoint that said 429 to a request that it could never hold counts as too large") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.kv_tokens = 100})}).value();
  auto dispatcher = router.dispatcher();
  FailedEndpoints<> failed;
  dispatcher.decode({.prompt_tokens = 100}).value().fail(FailureKind::overloaded, failed);
  CHECK(dispatcher.decode({.prompt_tokens = 100}, {.exclude = failed}).error().full == 1);
  CHECK(dispatcher.decode({.prompt_tokens = 101}, {.exclude = failed}).error().too_large == 1);
}

TEST_CASE("the role chosen first is full, and the other could never hold the request: the other is blamed") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  const Role second = first == Role::prefill ? Role::decode : Role::prefill;
  const Nodes busy = nodes("b", 2, {.requests = 1});
  const Nodes small = nodes("s", 2, {.kv_tokens = 100});
  auto router = Router::create({.prefill = first == Role::prefill ? busy : small,
                                .decode = first == Role::prefill ? small : busy,
                                .first = first})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto a = dispatcher.route({.prompt_tokens = 1}).value();
  const auto b = dispatcher.route({.prompt_tokens = 1}).value();
  const auto any = [](const Node&, const Node&) { return true; };
  const NoEndpoint never{.role = second, .endpoints = 2, .too_large = 2};
  CHECK(dispatcher.route({.prompt_tokens = 101}).error() == never);
  CHECK(dispatcher.route({.prompt_tokens = 101}, {.compatible = any}).error() == never);
  CHECK(*dispatcher.explain({.prompt_tokens = 101}).refusal == never);
  CHECK(*dispatcher.explain({.prompt_tokens = 101}, {.compatible = any}).refusal == never);
  const NoEndpoint later{.role = first, .endpoints = 2, .full = 2};
  CHECK(dispatcher.route({.prompt_tokens = 100}).error() == later);
  CHECK(dispatcher.route({.prompt_tokens = 100}, {.compatible = any}).error() == later);
  REQUIRE_FALSE(router.set_capacity(second, "s1", {}));
  CHECK(dispatcher.route({.prompt_tokens = 101}).error() == later);  // s1 could hold it
}

TEST_CASE("a metric of one's own says what could never fit, also beside others") {
  using Own = pdroute::DisaggregatedRouter<pdroute::LeastRequestPolicy,
                                           pdroute::WithMetrics<pdroute::LeastRequestPolicy, Blocks>, Node>;
  using Beside = pdroute::DisaggregatedRouter<pdroute::LeastRequestPolicy,
                                              pdroute::WithMetrics<pdroute::LeastRequestPolicy, Blocks, Tokens>, Node>;
  const auto check = [](auto router) {
    auto dispatcher = router.dispatcher();
    CHECK(dispatcher.decode({.prompt_tokens = 161}).error().too_large_for_all());
    const auto held = dispatcher.decode({.prompt_tokens = 145}).value();
    CHECK(dispatcher.decode({.prompt_tokens = 1}).error().overloaded());
    CHECK(dispatcher.decode({.prompt_tokens = 161}).error().too_large_for_all());
  };
  check(Own::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value());
  check(Beside::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value());
}

TEST_CASE(
    "explain: an endpoint without room shows which limits the request would exceed, with what is held and asked") {
  auto router =
      Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.requests = 1, .kv_tokens = 8000})}).value();
  auto dispatcher = router.dispatcher();
  const auto held = dispatcher.decode({.prompt_tokens = 7000}).value();
  const auto explained = [&](std::uint64_t tokens, const char* id) {
    const auto decode = dispatcher.explain({.prompt_tokens = tokens}).decode;
    const auto found = std::find_if(decode.endpoints.begin(), decode.endpoints.end(),
                                    [&](const auto& endpoint) { return endpoint.id == id; });
    auto text = found->text();
    return text.substr(0, text.find(')') + 1);
  };
  CHECK(explained(500, held.id() == "d0" ? "d1" : "d0").empty());
  CHECK(explained(500, held.id().data()) == "full (1 of 1 requests held, 1 asked)");
  CHECK(explained(3000, held.id().data()) ==
        "full (1 of 1 requests held, 1 asked; 7000 of 8000 kv_tokens held, 3000 asked)");
  CHECK(explained(9000, held.id() == "d0" ? "d1" : "d0") == "too_large (0 of 8000 kv_tokens held, 9000 asked)");
  const auto both = dispatcher.decode({.prompt_tokens = 1}).value();
  const auto full = dispatcher.explain({.prompt_tokens = 5}).decode;
  CHECK(full.why == "none: 2 full of 2");
  for (const auto& endpoint : full.endpoints) {
    REQUIRE(endpoint.exceeded.size() == 1);
    CHECK(endpoint.exceeded[0].name == "requests");
    CHECK(endpoint.exceeded[0].asked == 1);
    CHECK(endpoint.exceeded[0].held == 1);
    CHECK(endpoint.exceeded[0].limit == 1);
  }
}
