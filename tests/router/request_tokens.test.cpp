// SPDX-License-Identifier: Apache-2.0
// Limits on tokens, through the router: a request's demand, the endpoints with room for it, and its growth.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <pdroute/pdroute.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::KvTokens;
using pdroute::NoEndpoint;
using pdroute::Role;
using pdroute::RoundRobinPolicy;
using pdroute::Tokens;
using pdroute::WithMetrics;
using Both = WithMetrics<RoundRobinPolicy<>, Tokens, KvTokens>;
using Router = pdroute::DisaggregatedRouter<Both, Both, Node>;

/// A request with half of its prompt cached in group b. On decode endpoints it also demands room for the answer.
struct Prompt {
  std::uint64_t tokens = 0;
  std::uint64_t answer = 0;

  [[nodiscard]] pdroute::Demand demand(const Node& node, Role role) const {
    if (role == Role::decode) return {.kv_tokens = tokens + answer};
    return {.tokens = node.group == 'b' ? tokens / 2 : tokens, .kv_tokens = tokens};
  }
};

struct ThrowsForDecode {
  static pdroute::Demand demand(const Node& /*node*/, Role role) {
    if (role == Role::decode) throw std::runtime_error("no demand");
    return {};
  }
};

}  // namespace

TEST_CASE("a lease holds its request's prompt tokens in both counts, from the choice to its end") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  auto route = router.route({.prompt_tokens = 700}).value();
  auto second = router.decode({.prompt_tokens = 11}).value();
  CHECK(status(router, Role::prefill, "p0").tokens == 700U);
  CHECK(status(router, Role::decode, "d0").tokens == 711U);
  CHECK(status(router, Role::decode, "d0").kv_tokens == 711U);
  route.first_token();
  CHECK(status(router, Role::prefill, "p0").tokens == 0U);
  route.decode.fail(pdroute::FailureKind::bad_response);
  CHECK(status(router, Role::decode, "d0").kv_tokens == 11U);
  second = {};  // cancelled
  CHECK(status(router, Role::decode, "d0").kv_tokens == 0U);
}

TEST_CASE("a role reports only what it counts") {
  using Uneven = pdroute::DisaggregatedRouter<RoundRobinPolicy<>, WithMetrics<RoundRobinPolicy<>, KvTokens>, Node>;
  auto router = Uneven::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  CHECK_FALSE(status(router, Role::prefill, "p0").tokens);
  CHECK_FALSE(status(router, Role::decode, "d0").tokens);
  CHECK(status(router, Role::decode, "d0").kv_tokens == 0U);
}

TEST_CASE("a request's own demand depends on the endpoint chosen and on the role") {
  auto router = Router::create({.prefill = Nodes{{"p0", 'a', {.tokens = 100}}, {"p1", 'b', {.tokens = 100}}},
                                .decode = Nodes{{"d0", 'a', {.kv_tokens = 210}}}})
                    .value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 4; ++i) {
    const auto route = dispatcher.route(Prompt{200, 10});  // only p1, where half is cached, has room
    REQUIRE(route);
    CHECK(names(route) == "p1 d0");
    CHECK(status(router, Role::prefill, "p1").tokens == 100U);
    CHECK(status(router, Role::prefill, "p1").kv_tokens == 200U);
    CHECK(status(router, Role::decode, "d0").tokens == 0U);
    CHECK(status(router, Role::decode, "d0").kv_tokens == 210U);
    CHECK(dispatcher.route(Prompt{2, 0}).error() == NoEndpoint{.role = Role::decode, .endpoints = 1, .full = 1});
  }
  CHECK(status(router, Role::prefill, "p0").outcomes == pdroute::Outcomes{});
}

TEST_CASE("endpoints without room for one request still take a smaller one") {
  auto router =
      Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.tokens = 1000, .kv_tokens = 600})}).value();
  auto dispatcher = router.dispatcher();
  auto a = dispatcher.decode({.prompt_tokens = 500}).value();
  auto b = dispatcher.decode({.prompt_tokens = 400}).value();
  CHECK(a.id() != b.id());
  CHECK(dispatcher.decode({.prompt_tokens = 300}).error().full == 2);
  const auto c = dispatcher.decode({.prompt_tokens = 200});
  REQUIRE(c);
  CHECK(c->id() == b.id());
  CHECK(dispatcher.decode({.prompt_tokens = 100})->id() == a.id());
}

TEST_CASE("a demand above every limit is too large for all, without a limit any demand is accepted") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 2, {.tokens = 1000})}).value();
  CHECK(router.route({.prompt_tokens = 1001}).error() ==
        NoEndpoint{.role = Role::decode, .endpoints = 2, .too_large = 2});
  CHECK(router.route({.prompt_tokens = 1000}));
  CHECK(status(router, Role::prefill, "p0").tokens == 0U);
  constexpr std::uint64_t max_tokens = std::numeric_limits<std::uint64_t>::max();
  auto large = router.prefill({.prompt_tokens = max_tokens}).value();
  CHECK(router.prefill({.prompt_tokens = 1}).error().full == 1);  // the sum does not wrap
  large.progress(5);
  large.complete();
  CHECK(status(router, Role::prefill, "p0").tokens == 0U);
}

TEST_CASE("progress raises the demand, may pass the limit, and keeps other requests out until the end") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.kv_tokens = 100})}).value();
  auto lease = router.decode({.prompt_tokens = 90}).value();
  lease.progress(10);
  CHECK_FALSE(status(router, Role::decode, "d0").over_capacity());
  lease.progress(1);
  CHECK(status(router, Role::decode, "d0").kv_tokens == 101U);
  CHECK(status(router, Role::decode, "d0").over_capacity());
  CHECK(router.decode({.prompt_tokens = 0}).error().full == 1);
  lease.complete();
  lease.progress(50);  // no effect after the end
  CHECK(status(router, Role::decode, "d0").kv_tokens == 0U);
  CHECK(router.decode({.prompt_tokens = 100}));
}

TEST_CASE("limits on tokens change while requests run, and apply at once") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.tokens = 100})}).value();
  auto lease = router.decode({.prompt_tokens = 100}).value();
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.tokens = 150}));
  CHECK(router.decode({.prompt_tokens = 50}));
  CHECK_FALSE(router.decode({.prompt_tokens = 51}));
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.tokens = 99}));
  CHECK(status(router, Role::decode, "d0").over_capacity());
  CHECK_FALSE(router.set_capacity(Role::decode, "d0", {.kv_tokens = 101}));  // replaces all limits
  CHECK(router.decode({.prompt_tokens = 1}));
  CHECK_FALSE(router.decode({.prompt_tokens = 2}));
}

TEST_CASE("one limit refuses a request that the others would take, and no count keeps any of it") {
  auto router = Router::create({.prefill = nodes("p", 1),
                                .decode = nodes("d", 1, {.requests = 5, .tokens = 500, .kv_tokens = 100})})
                    .value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 20; ++i) CHECK(dispatcher.decode({.prompt_tokens = 101}).error().too_large == 1);
  const auto after = status(router, Role::decode, "d0");
  CHECK(after.in_flight == 0);
  CHECK(after.tokens == 0U);
  CHECK(after.kv_tokens == 0U);
  CHECK(after.outcomes == pdroute::Outcomes{});
}

TEST_CASE("demand() throws for the second leg, nothing stays reserved") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  CHECK_THROWS_AS(router.route(ThrowsForDecode{}), std::runtime_error);
  CHECK(in_flight(router, Role::prefill) == 0);
  CHECK(in_flight(router, Role::decode) == 0);
  CHECK(router.route());
}

TEST_CASE("many threads at a limit on tokens: it is never passed, and all tokens are free at the end") {
  auto router =
      Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1, {.tokens = 100, .kv_tokens = 90})}).value();
  std::atomic<int> above = 0;
  std::vector<std::thread> workers;
  for (std::uint64_t t = 0; t < 3; ++t) {
    workers.emplace_back([&, t] {
      auto dispatcher = router.dispatcher();
      for (std::uint64_t i = 0; i < 3000; ++i) {
        const auto lease = dispatcher.decode({.prompt_tokens = 1 + (i * 7 + t) % 60});
        if (i % 16 == 0 && *status(router, Role::decode, "d0").kv_tokens > 90) ++above;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(above == 0);
  CHECK(status(router, Role::decode, "d0").tokens == 0U);
  CHECK(status(router, Role::decode, "d0").kv_tokens == 0U);
}
