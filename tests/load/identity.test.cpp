// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/identity.hpp>

#include <cstdint>
#include <pdroute/key.hpp>
#include <pdroute/load/detail/joined_loads.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::ConfigError;
using pdroute::Identity;
using pdroute::Loads;
using pdroute::Role;
using pdroute::Tokens;

static_assert(pdroute::IdentifiesEndpoint<Identity> && !pdroute::CountsChoices<Identity> &&
              !pdroute::HoldsDemand<Identity>);
static_assert(pdroute::IdentifiesEndpoint<Loads<Tokens, Identity>> && pdroute::HoldsDemand<Loads<Tokens, Identity>>);
static_assert(!pdroute::IdentifiesEndpoint<pdroute::NoLoad> && !pdroute::IdentifiesEndpoint<Loads<Tokens>>);

struct Weighted {
  std::string id;
  int weight;
};
struct Numbered {
  std::int64_t id;
};
using List = std::vector<Weighted>;

template <class Endpoint, class Load>
using PoolOf = pdroute::EndpointPool<Role::prefill, Endpoint, Load>;

std::uint64_t hash(std::string_view id) {
  return static_cast<std::uint64_t>(pdroute::key(id));
}

/// The error of a pool with the metric `Identity` for an endpoint of this weight, which holds up no other.
std::string refused(int weight) {
  PoolOf<Weighted, Identity> pool;
  REQUIRE(pool.assign(List{{"a", 7}}));
  const auto report = pool.assign(List{{"b", 1}, {"a", 7}, {"c", weight}}).value();
  REQUIRE(report.refused.size() == 1);
  CHECK(report.refused[0].rule == ConfigError::Rule::endpoint_weight_in_range);
  CHECK(report.refused[0].endpoint == ConfigError::Place{Role::prefill, 2});
  CHECK(pool.endpoints().size() == 2);
  return report.refused[0].text();
}

}  // namespace

TEST_CASE("identity: a pool gives each slot the hash of its id and its weight") {
  PoolOf<Weighted, Identity> pool;
  REQUIRE(pool.assign(List{{"a", 1}, {"b", 10'000}}));
  const auto snapshot = pool.snapshot();
  const auto candidates = snapshot->candidates();
  CHECK(candidates[0].id_hash() == hash("a"));
  CHECK(candidates[0].weight() == 1);
  CHECK(candidates[1].id_hash() == hash("b"));
  CHECK(candidates[1].weight() == 10'000);
}

TEST_CASE("identity: inside a list of metrics it gets the hash and the weight too") {
  PoolOf<Weighted, Loads<Tokens, Identity>> pool;
  REQUIRE(pool.assign(List{{"a", 3}}));
  const auto snapshot = pool.snapshot();
  CHECK(snapshot->candidates()[0].weight() == 3);
  CHECK(snapshot->candidates()[0].id_hash() == hash("a"));
}

TEST_CASE("identity: integer ids are hashed, also negative ones, and a missing weight is 1") {
  PoolOf<Numbered, Identity> pool;
  REQUIRE(pool.assign(std::vector<Numbered>{{7}, {-1}}));
  const auto snapshot = pool.snapshot();
  CHECK(snapshot->candidates()[0].id_hash() == static_cast<std::uint64_t>(pdroute::key(std::uint64_t{7})));
  CHECK(snapshot->candidates()[1].id_hash() == static_cast<std::uint64_t>(pdroute::key(UINT64_MAX)));
  CHECK(snapshot->candidates()[0].weight() == 1);
}

TEST_CASE("identity: a weight out of range is refused with id and value") {
  CHECK(refused(-5) == "an endpoint's weight must be an integer from 0 to 10,000: c: weight -5");
  CHECK(refused(10'001) == "an endpoint's weight must be an integer from 0 to 10,000: c: weight 10001");
}

TEST_CASE("identity: a role without this metric does not check weights") {
  PoolOf<Weighted, Tokens> pool;
  CHECK(pool.assign(List{{"a", -1}}));
}

TEST_CASE("identity: a kept member takes the weight that the list gives, and keeps its hash") {
  PoolOf<Weighted, Identity> pool;
  REQUIRE(pool.assign(List{{"a", 1}}));
  REQUIRE(pool.assign(List{{"a", 9}}));
  CHECK(pool.snapshot()->candidates()[0].weight() == 9);
  CHECK(pool.snapshot()->candidates()[0].id_hash() == hash("a"));
}

TEST_CASE("identity: the weight is told again, readers see the new one and the same hash") {
  Identity identity;
  CHECK(identity.weight() == 1);
  identity.identify(hash("a"), 3);
  identity.identify(hash("a"), 10);
  CHECK(identity.weight() == 10);
  CHECK(identity.id_hash() == hash("a"));
}

TEST_CASE("identity: weights change while threads read them, each reader sees one of the weights") {
  Identity identity;
  identity.identify(hash("a"), 1);
  std::thread writer([&] {
    for (int i = 0; i < 100'000; ++i) identity.identify(hash("a"), i % 2 == 0 ? 7 : 9);
  });
  bool known = true;
  for (int i = 0; i < 100'000; ++i) {
    const std::uint32_t weight = identity.weight();
    known = known && (weight == 1 || weight == 7 || weight == 9) && identity.id_hash() == hash("a");
  }
  writer.join();
  CHECK(known);
}

TEST_CASE("identity: an endpoint with a bad weight fits only a role without this metric") {
  CHECK(PoolOf<Weighted, Identity>::fits({"a", 1}));
  CHECK(PoolOf<Weighted, Identity>::fits({"a", 0}));  // it gets no new requests
  CHECK_FALSE(PoolOf<Weighted, Identity>::fits({"a", -1}));
  CHECK(PoolOf<Weighted, Tokens>::fits({"a", -1}));
}
