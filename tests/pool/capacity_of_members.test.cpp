// SPDX-License-Identifier: Apache-2.0
// The limits of a pool's members: read, checked, changed and reported.
#include <pdroute/pool/endpoint_pool.hpp>

#include <cstdint>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/pool/lease.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Capacity;
using pdroute::ConfigError;
using pdroute::KvTokens;
using pdroute::Request;
using pdroute::Role;
using pdroute::Tokens;
using Rule = pdroute::ConfigError::Rule;

struct Sized {
  std::string id;
  Capacity capacity;
};
using List = std::vector<Sized>;
using Plain = pdroute::EndpointPool<Role::prefill, Sized>;
using Counted = pdroute::EndpointPool<Role::prefill, Sized, Tokens>;
using CountedKv = pdroute::EndpointPool<Role::decode, Sized, KvTokens>;
using CountedBoth = pdroute::EndpointPool<Role::decode, Sized, pdroute::Loads<Tokens, KvTokens>>;

template <class Pool>
pdroute::Lease<typename Pool::Slot> lease(const Pool& pool, std::uint64_t tokens) {
  typename Pool::Slot* const slot = pool.snapshot()->candidates().slot(0);
  typename Pool::Slot::Held held{};
  const auto [attempt, place] = slot->try_reserve(Request{.prompt_tokens = tokens}, held);
  if (attempt != Pool::Slot::Attempt::reserved) return {};
  return pdroute::Lease<typename Pool::Slot>{place, held};
}

/// The value in the pool's error for this capacity. `assign` and `set_capacity` must give the same error, and the
/// member stays as it was.
template <class Pool>
std::string refused(const Capacity& capacity, Rule rule) {
  Pool pool;
  REQUIRE(pool.assign(List{{"a", {.requests = 7}}}));
  const auto listed = pool.assign(List{{"b", {}}, {"a", capacity}, {"c", capacity}}).value().refused;
  REQUIRE(listed.size() == 2);
  const auto set = pool.set_capacity("a", capacity);
  REQUIRE(set);
  CHECK(listed[0].rule == rule);
  CHECK(set->rule == rule);
  CHECK(set->value == listed[0].value);
  CHECK(pool.endpoints().size() == 2);
  CHECK(pool.endpoints()[0].capacity == Capacity{.requests = 7});
  return set->value;
}

}  // namespace

TEST_CASE("a capacity of zero is refused, and the error names the endpoint and the value") {
  CHECK(refused<Plain>({.requests = 0}, Rule::capacity_in_range) == "a: 0 requests");
  CHECK(refused<Counted>({.tokens = 0}, Rule::capacity_in_range) == "a: 0 tokens");
  CHECK(refused<CountedKv>({.requests = 1, .kv_tokens = 0}, Rule::capacity_in_range) == "a: 0 KV tokens");
}

TEST_CASE("a limit above the countable number of requests is refused, the highest countable one is accepted") {
  CHECK(refused<Plain>({.requests = 4'194'304}, Rule::capacity_in_range) == "a: 4194304 requests");
  Plain pool;
  CHECK(pool.assign(List{{"a", {.requests = 4'194'303}}}));
  CHECK_FALSE(pool.set_capacity("a", {.requests = 1}));
}

TEST_CASE("a limit on tokens that the role does not count is refused") {
  CHECK(refused<Plain>({.tokens = 100}, Rule::capacity_counted) == "a: 100 tokens");
  CHECK(refused<Plain>({.kv_tokens = 200}, Rule::capacity_counted) == "a: 200 KV tokens");
  CHECK(refused<Plain>({.tokens = 100, .kv_tokens = 200}, Rule::capacity_counted) == "a: 100 tokens");
  CHECK(refused<Counted>({.tokens = 1, .kv_tokens = 200}, Rule::capacity_counted) == "a: 200 KV tokens");
  CHECK(refused<CountedKv>({.tokens = 100, .kv_tokens = 1}, Rule::capacity_counted) == "a: 100 tokens");
  CountedBoth pool;
  CHECK(pool.assign(List{{"a", {.tokens = 1, .kv_tokens = 1}}}));
}

TEST_CASE("setting the capacity of an unknown endpoint is refused, and the error names the id") {
  Plain pool;
  REQUIRE(pool.assign(List{{"a", {}}}));
  const auto error = pool.set_capacity("b", {.requests = 1});
  REQUIRE(error);
  CHECK(error->rule == Rule::id_known);
  CHECK(error->value == "b");
}

TEST_CASE("an endpoint is added with a capacity, which holds from the first lease on") {
  CountedBoth pool;
  REQUIRE(pool.assign(List{{"a", {.requests = 2, .tokens = 50, .kv_tokens = 40}}}));
  CHECK_FALSE(lease(pool, 41));
  const auto first = lease(pool, 40);
  CHECK(first);
  CHECK_FALSE(lease(pool, 1));
  const auto second = lease(pool, 0);
  CHECK(second);
  CHECK_FALSE(lease(pool, 0));
}

TEST_CASE("a new capacity takes effect at once, without a new snapshot") {
  Counted pool;
  REQUIRE(pool.assign(List{{"a", {}}}));
  const auto generation = pool.generation();
  auto first = lease(pool, 100);
  REQUIRE(first);
  CHECK_FALSE(pool.set_capacity("a", {.tokens = 60}));
  CHECK(pool.generation() == generation);
  CHECK_FALSE(lease(pool, 1));
  CHECK(pool.endpoints()[0].over_capacity());
  first.complete();
  CHECK(lease(pool, 60));
  CHECK_FALSE(lease(pool, 61));
  CHECK_FALSE(pool.set_capacity("a", {}));
  CHECK(lease(pool, 61));
}

TEST_CASE("a kept member takes a capacity that the list has changed, and keeps one that was set otherwise") {
  Plain pool;
  REQUIRE(pool.assign(List{{"a", {.requests = 1}}, {"b", {.requests = 2}}}));
  CHECK_FALSE(pool.set_capacity("b", {.requests = 3}));
  REQUIRE(pool.assign(List{{"a", {.requests = 50}}, {"b", {.requests = 2}}, {"c", {.requests = 50}}}));
  auto all = pool.endpoints();
  REQUIRE(all.size() == 3);
  CHECK(all[0].capacity.requests == 50U);
  CHECK(all[1].capacity.requests == 3U);  // the list says the same as before
  CHECK(all[2].capacity.requests == 50U);
  REQUIRE(pool.assign(List{{"b", {.requests = 5}}}));
  CHECK(pool.endpoints()[0].capacity.requests == 5U);
  CHECK_FALSE(pool.set_capacity("b", {.requests = 4}));
  REQUIRE(pool.assign(List{{"b", {.requests = 5}}}));
  CHECK(pool.endpoints()[0].capacity.requests == 4U);
}

TEST_CASE("an invalid capacity in the list is refused even for a member that is kept") {
  Plain pool;
  REQUIRE(pool.assign(List{{"a", {.requests = 1}}}));
  CHECK_FALSE(pool.assign(List{{"a", {.requests = 0}}}));
}

TEST_CASE("a status shows what the role counts and how leases have ended") {
  CountedKv pool;
  REQUIRE(pool.assign(List{{"a", {.kv_tokens = 500}}, {"b", {}}}));
  lease(pool, 1).complete();
  lease(pool, 2).fail(pdroute::FailureKind::bad_response);
  static_cast<void>(lease(pool, 3));
  const auto running = lease(pool, 120);
  const auto all = pool.endpoints();
  CHECK(all[0].in_flight == 1);
  CHECK_FALSE(all[0].tokens);
  CHECK(all[0].kv_tokens == 120U);
  CHECK(all[0].outcomes == pdroute::Outcomes{.completed = 1, .cancelled = 1, .bad_response = 1});
  CHECK(all[1].kv_tokens == 0U);
  CHECK(all[1].outcomes == pdroute::Outcomes{});

  Plain plain;
  REQUIRE(plain.assign(List{{"a", {}}}));
  CHECK_FALSE(plain.endpoints()[0].tokens);
  CHECK_FALSE(plain.endpoints()[0].kv_tokens);
}
