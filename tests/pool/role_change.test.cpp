// SPDX-License-Identifier: Apache-2.0
// How an endpoint leaves one pool and joins another.
#include <pdroute/pool/role_change.hpp>

#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"
#include "pool/lease_on.hpp"

namespace {

using pdroute::Capacity;
using pdroute::Health;
using pdroute::Intake;
using pdroute::LastEndpoint;
using pdroute::Role;
using pdroute::RoleChange;
using Attempt = pdroute::detail::SlotCount::Attempt;
using Ids = std::vector<std::string>;

/// May run more requests as a decode endpoint than as a prefill endpoint.
struct Sized {
  std::string id;
  std::uint32_t prefill_requests;
  std::uint32_t decode_requests;
};

const auto anywhere = [](const auto& /*endpoint*/) { return true; };

using Prefill = pdroute::EndpointPool<Role::prefill, Engine>;
using Decode = pdroute::EndpointPool<Role::decode, Engine>;

template <class Pool>
Ids eligible(const Pool& pool) {
  Ids ids;
  const auto snapshot = pool.snapshot();
  for (std::size_t i = 0; i < snapshot->candidates().size(); ++i) ids.emplace_back(snapshot->candidates()[i].id());
  return ids;
}
template <class Pool>
Ids members(const Pool& pool) {
  Ids ids;
  for (const auto& endpoint : pool.endpoints()) ids.push_back(endpoint.id);
  return ids;
}

}  // namespace

template <>
struct pdroute::EndpointTraits<Sized> {
  static const std::string& id(const Sized& endpoint) { return endpoint.id; }
  static pdroute::Capacity capacity(const Sized& endpoint, pdroute::Role role) {
    return {.requests = role == pdroute::Role::prefill ? endpoint.prefill_requests : endpoint.decode_requests};
  }
};

TEST_CASE("an endpoint changes pools: it drains in the old one and keeps health and intake in the new one") {
  Prefill prefill;
  Decode decode;
  REQUIRE(prefill.assign(engines("e", 3)));
  REQUIRE(decode.assign(Engines{{"d"}}));
  CHECK(prefill.set_intake("e1", Intake::paused));
  CHECK(prefill.set_health("e1", Health::unhealthy));

  const auto departing = prefill.leave("e1", LastEndpoint::keep, anywhere);
  REQUIRE(departing.change == RoleChange::done);
  REQUIRE(departing.endpoint);
  CHECK(departing.endpoint->id == "e1");
  CHECK(departing.health == Health::unhealthy);
  CHECK(departing.intake == Intake::paused);
  CHECK(prefill.endpoints()[1].drained());
  CHECK_FALSE(prefill.active("e1"));

  CHECK(decode.join(departing));
  CHECK(members(decode) == Ids{"d", "e1"});
  CHECK(eligible(decode) == Ids{"d"});
  CHECK(decode.endpoints()[1].health == Health::unhealthy);
  CHECK(decode.endpoints()[1].intake == Intake::paused);
  CHECK(decode.endpoints()[1].incarnation > decode.endpoints()[0].incarnation);
  CHECK(decode.set_health("e1", Health::healthy));
  CHECK(decode.set_intake("e1", Intake::accepting));
  CHECK(eligible(decode) == Ids{"d", "e1"});
}

TEST_CASE("an endpoint leaves with a lease running, the lease keeps counting in the old role") {
  Prefill pool;
  REQUIRE(pool.assign(engines("e", 2)));
  auto* const slot = pool.snapshot()->candidates().slot(0);
  auto lease = lease_on(pool, "e0");
  REQUIRE(pool.leave("e0", LastEndpoint::keep, anywhere).change == RoleChange::done);
  CHECK(slot->pdroute::detail::SlotCount::try_reserve() == Attempt::closed);
  CHECK(pool.endpoints()[0].in_flight == 1);
  CHECK_FALSE(pool.endpoints()[0].drained());
  lease.complete();
  CHECK(pool.endpoints()[0].drained());
}

TEST_CASE("an unknown endpoint cannot leave, and nothing changes") {
  Prefill pool;
  REQUIRE(pool.assign(engines("e", 2)));
  const auto generation = pool.generation();
  const auto departing = pool.leave("x", LastEndpoint::take, anywhere);
  CHECK(departing.change == RoleChange::no_such_endpoint);
  CHECK_FALSE(departing.endpoint);
  CHECK(pool.generation() == generation);
}

TEST_CASE("the last eligible endpoint cannot leave unless the caller takes it") {
  Prefill pool;
  REQUIRE(pool.assign(engines("e", 3)));
  CHECK(pool.set_health("e0", Health::unhealthy));
  CHECK(pool.set_intake("e1", Intake::paused));
  const auto generation = pool.generation();

  const auto kept = pool.leave("e2", LastEndpoint::keep, anywhere);
  CHECK(kept.change == RoleChange::last_of_its_role);
  CHECK_FALSE(kept.endpoint);
  CHECK(pool.generation() == generation);
  CHECK(eligible(pool) == Ids{"e2"});

  SECTION("an endpoint that is not eligible may leave") {
    CHECK(pool.leave("e0", LastEndpoint::keep, anywhere).change == RoleChange::done);
    CHECK(eligible(pool) == Ids{"e2"});
  }
  SECTION("LastEndpoint::take lets it leave") {
    CHECK(pool.leave("e2", LastEndpoint::take, anywhere).change == RoleChange::done);
    CHECK(eligible(pool).empty());
  }
  SECTION("another one becomes eligible, it may leave") {
    CHECK(pool.set_health("e0", Health::healthy));
    CHECK(pool.leave("e2", LastEndpoint::keep, anywhere).change == RoleChange::done);
    CHECK(eligible(pool) == Ids{"e0"});
  }
}

TEST_CASE("an endpoint that is active in the role already is refused, and nothing changes") {
  Prefill prefill;
  Decode decode;
  REQUIRE(prefill.assign(engines("e", 2)));
  REQUIRE(decode.assign(Engines{{"e0"}}));
  const auto departing = prefill.leave("e0", LastEndpoint::keep, anywhere);
  REQUIRE(departing.change == RoleChange::done);
  const auto before = decode.endpoints()[0].incarnation;
  const auto generation = decode.generation();
  CHECK_FALSE(decode.join(departing));
  CHECK(decode.generation() == generation);
  CHECK(decode.endpoints().size() == 1);
  CHECK(decode.endpoints()[0].incarnation == before);
}

TEST_CASE("an endpoint joins while its old incarnation drains, the new one takes its place") {
  Prefill prefill;
  Decode decode;
  REQUIRE(prefill.assign(engines("e", 2)));
  REQUIRE(decode.assign(Engines{{"e0"}, {"d"}}));
  auto running = lease_on(decode, "e0");
  CHECK(decode.drain("e0"));

  REQUIRE(decode.join(prefill.leave("e0", LastEndpoint::keep, anywhere)));
  CHECK(members(decode) == Ids{"d", "e0"});
  CHECK(eligible(decode) == Ids{"d", "e0"});
  CHECK(decode.endpoints()[1].in_flight == 0);
  CHECK(decode.endpoints()[1].incarnation != running.incarnation());
  CHECK(running->id == "e0");
  running.complete();  // reaches only the old incarnation
  CHECK(decode.endpoints()[1].outcomes == pdroute::Outcomes{});
}

TEST_CASE("an endpoint changes roles and back, it is eligible as a new incarnation") {
  Prefill prefill;
  Decode decode;
  REQUIRE(prefill.assign(engines("e", 2)));
  const auto first_incarnation = prefill.endpoints()[0].incarnation;
  REQUIRE(decode.join(prefill.leave("e0", LastEndpoint::keep, anywhere)));
  REQUIRE(prefill.join(decode.leave("e0", LastEndpoint::take, anywhere)));
  CHECK(members(prefill) == Ids{"e1", "e0"});
  CHECK(eligible(prefill) == Ids{"e1", "e0"});
  CHECK(prefill.endpoints()[1].incarnation != first_incarnation);
  CHECK(eligible(decode).empty());
}

TEST_CASE("a member is active unless it drains, whatever its health and intake") {
  Prefill pool;
  REQUIRE(pool.assign(engines("e", 2)));
  CHECK(pool.set_health("e0", Health::unhealthy));
  CHECK(pool.set_intake("e0", Intake::paused));
  CHECK(pool.active("e0"));
  CHECK_FALSE(pool.active("x"));
  CHECK(pool.drain("e1"));
  CHECK_FALSE(pool.active("e1"));
  REQUIRE(pool.assign(Engines{}));
  CHECK_FALSE(pool.active("e0"));
}

TEST_CASE("an endpoint that changes roles gets its capacity for the new role") {
  pdroute::EndpointPool<Role::prefill, Sized> prefill;
  pdroute::EndpointPool<Role::decode, Sized> decode;
  REQUIRE(prefill.assign(std::vector<Sized>{{"a", 2, 30}, {"b", 2, 30}}));
  CHECK_FALSE(prefill.set_capacity("a", {.requests = 7}));  // of this incarnation in this role
  REQUIRE(decode.join(prefill.leave("a", LastEndpoint::keep, anywhere)));
  CHECK(decode.endpoints()[0].capacity == Capacity{.requests = 30});
  CHECK(decode.snapshot()->candidates()[0].limit() == 30);
}

TEST_CASE("an invalid capacity for the other role is refused, and the endpoint keeps its role") {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Sized>;
  const std::uint32_t requests = GENERATE(0U, pdroute::Capacity::max_requests + 1);
  auto router = Router::create({.prefill = std::vector<Sized>{{"a", 2, requests}, {"b", 2, 30}}, .decode = {}}).value();
  CHECK(router.change_role("a", Role::decode) == RoleChange::capacity_refused);
  CHECK(router.endpoints(Role::decode).empty());
  CHECK_FALSE(router.endpoint(Role::prefill, "a")->draining);
}
