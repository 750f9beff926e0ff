// SPDX-License-Identifier: Apache-2.0
#include <pdroute/request.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/key.hpp>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using pdroute::Demand;
using pdroute::Request;
using pdroute::Role;
using pdroute::detail::demand_of;

/// A request that knows which endpoint has a part of its prompt cached.
struct Cached {
  std::uint64_t prompt_tokens = 1000;
  [[nodiscard]] Demand demand(const Engine& engine, Role role) const {
    if (role == Role::decode) return {.tokens = 0, .kv_tokens = prompt_tokens + 50};
    return {.tokens = engine.id == "warm" ? 200 : prompt_tokens, .kv_tokens = prompt_tokens};
  }
};
struct Narrow {
  std::uint16_t prompt_tokens = 7;
};

static_assert(pdroute::RequestType<Request> && pdroute::RequestType<Cached>);
static_assert(!pdroute::RequestType<int>);
static_assert(!pdroute::RequestType<const char*>);
static_assert(!pdroute::RequestType<Request&>);

}  // namespace

TEST_CASE("request: key and group are read from any request type, and are empty without such a member") {
  using pdroute::Key;
  using pdroute::key;
  using pdroute::detail::group_of;
  using pdroute::detail::key_of;
  struct Agent {
    std::optional<Key> key = {};
    Key group;
  };
  CHECK(key_of(Request{.key = key("u42")}) == key("u42"));
  CHECK_FALSE(group_of(Request{.key = key("u42")}));
  CHECK(group_of(Request{.group = key("u42")}) == key("u42"));
  CHECK_FALSE(key_of(Agent{.group = key("u42")}));
  CHECK(group_of(Agent{.group = key("u42")}) == key("u42"));
  CHECK_FALSE(group_of(Cached{}));
}

TEST_CASE("request demand: the prompt's length counts as tokens and as KV tokens, in both roles") {
  const auto role = GENERATE(Role::prefill, Role::decode);
  const Demand demand = demand_of(Request{.prompt_tokens = 812}, Engine{"a"}, role);
  CHECK(demand.tokens == 812);
  CHECK(demand.kv_tokens == 812);
}

TEST_CASE("request demand: prompt_tokens may have any unsigned integer type, up to the largest value") {
  CHECK(demand_of(Narrow{}, Engine{"a"}, Role::decode).kv_tokens == 7);
  constexpr auto largest = std::numeric_limits<std::uint64_t>::max();
  CHECK(demand_of(Request{.prompt_tokens = largest}, Engine{"a"}, Role::prefill).tokens == largest);
}

TEST_CASE("request demand: the request's own demand() is called with the endpoint and the role") {
  const Cached request;
  CHECK(demand_of(request, Engine{"cold"}, Role::prefill).tokens == 1000);
  CHECK(demand_of(request, Engine{"warm"}, Role::prefill).tokens == 200);
  CHECK(demand_of(request, Engine{"warm"}, Role::prefill).kv_tokens == 1000);
  CHECK(demand_of(request, Engine{"warm"}, Role::decode).tokens == 0);
  CHECK(demand_of(request, Engine{"warm"}, Role::decode).kv_tokens == 1050);
}
