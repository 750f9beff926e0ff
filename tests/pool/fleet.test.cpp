// SPDX-License-Identifier: Apache-2.0
// Large roles: what a change costs, counted and not timed.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/manual_clock.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::Health;
using pdroute::Intake;
using pdroute::Role;

/// Counts what the pool does with endpoints.
struct Counters {
  std::uint64_t copies = 0;
  std::uint64_t comparisons = 0;
  std::uint64_t reads = 0;
};
struct Counted {
  std::string id;
  std::string incarnation = "1";
  Counters* counters = nullptr;

  Counted(std::string name, Counters& counts) : id(std::move(name)), counters(&counts) {}
  Counted(const Counted& other) : id(other.id), incarnation(other.incarnation), counters(other.counters) {
    ++counters->copies;
  }
  Counted& operator=(const Counted&) = delete;
  bool operator==(const Counted& other) const {
    ++counters->comparisons;
    return id == other.id && incarnation == other.incarnation;
  }
};
constexpr std::size_t many = 2000;

std::vector<Counted> fleet(Counters& counters) {
  std::vector<Counted> list;
  list.reserve(many);
  for (std::size_t i = 0; i < many; ++i) list.emplace_back("e" + std::to_string(i), counters);
  return list;
}

}  // namespace

template <>
struct pdroute::EndpointTraits<Counted> {
  static const std::string& id(const Counted& endpoint) { return endpoint.id; }
  static const std::string& incarnation(const Counted& endpoint) { return endpoint.incarnation; }
  static pdroute::Capacity capacity(const Counted& endpoint, pdroute::Role /*role*/) {
    ++endpoint.counters->reads;
    return {};
  }
};

namespace {

using Pool = pdroute::EndpointPool<Role::decode, Counted>;

/// Chooses the first candidate, and counts the lists of candidates that a dispatcher fetches.
struct CountsLists {
  struct State {
    int* lists;
    void candidates_changed(const auto& /*before*/, const auto& /*now*/) { ++*lists; }
  };
  int* lists = nullptr;

  [[nodiscard]] State make_state(std::uint64_t /*stream*/) const { return {lists}; }
  [[nodiscard]] std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/,
                                                  auto& /*context*/) const {
    return candidates.size() > 0 ? std::optional<std::size_t>{0} : std::nullopt;
  }
};

}  // namespace

TEST_CASE("fleet: heartbeats that change nothing publish nothing") {
  Counters counters;
  Pool pool;
  const auto list = fleet(counters);
  REQUIRE(pool.assign(list));
  const auto snapshot = pool.snapshot();
  const pdroute::ManualClock clock;
  for (const Counted& endpoint : list) {
    REQUIRE(pool.set_health(endpoint.id, Health::healthy));
    REQUIRE(pool.set_intake(endpoint.id, Intake::accepting));
    REQUIRE_FALSE(pool.set_capacity(endpoint.id, {.requests = 5}));
  }
  REQUIRE(pool.assign(list));
  pool.advance(clock.now());
  CHECK(pool.generation() == snapshot->generation());
  CHECK(pool.snapshot() == snapshot);
}

TEST_CASE("fleet: a pause that is prolonged publishes nothing, one that begins or ends does") {
  Counters counters;
  Pool pool;
  REQUIRE(pool.assign(fleet(counters)));
  const pdroute::ManualClock clock;
  const auto generation = pool.generation();
  REQUIRE(pool.set_intake("e1", pdroute::Intake::paused, clock.now(), 2s));
  CHECK(pool.generation() == generation + 1);
  for (int i = 0; i < 100; ++i) REQUIRE(pool.set_intake("e1", pdroute::Intake::paused, clock.now() + i * 100ms, 2s));
  CHECK(pool.generation() == generation + 1);
  CHECK(pool.endpoint("e1")->until == clock.now().time_since_epoch() + 9'900ms + 2s);
  pool.advance(clock.now() + 11s);
  CHECK(pool.generation() == generation + 1);
  pool.advance(clock.now() + 12s);
  CHECK(pool.generation() == generation + 2);
}

TEST_CASE("fleet: a storm of changes builds one snapshot, when a reader asks for it") {
  Counters counters;
  Pool pool;
  const auto list = fleet(counters);
  REQUIRE(pool.assign(list));
  const auto before = pool.snapshot();
  for (const Counted& endpoint : list) REQUIRE(pool.set_health(endpoint.id, Health::unhealthy));
  REQUIRE(pool.set_health("e0", Health::healthy));
  const auto after = pool.snapshot();
  CHECK(after != before);
  CHECK(pool.snapshot() == after);
  CHECK(after->candidates().size() == 1);
  CHECK(before->candidates().size() == many);
}

TEST_CASE("fleet: a list copies only what is new, compares each member once and reads each entry once") {
  Counters counters;
  Pool pool;
  auto list = fleet(counters);
  counters = {};
  REQUIRE(pool.assign(list));
  CHECK(counters.copies == many);
  CHECK(counters.comparisons == 0);
  CHECK(counters.reads == many);

  counters = {};
  list[5].incarnation = "2";
  REQUIRE(pool.assign(list));
  CHECK(counters.copies == 1);
  CHECK(counters.comparisons == many - 1);
  CHECK(counters.reads == many);

  counters = {};
  REQUIRE(pool.assign({}));
  REQUIRE(pool.assign(list));  // a flap
  CHECK(counters.copies == 0);
}

TEST_CASE("fleet: single changes copy no other endpoint") {
  Counters counters;
  Pool pool;
  REQUIRE(pool.assign(fleet(counters)));
  const Counted another("another", counters);
  counters = {};
  REQUIRE_FALSE(pool.add(another));
  REQUIRE_FALSE(pool.update(another));
  REQUIRE(pool.remove("another"));
  CHECK(counters.copies == 1);
}

TEST_CASE("fleet: a storm of changes of state, the router's own dispatcher fetches one list, with the next request") {
  using Router = pdroute::DisaggregatedRouter<CountsLists, CountsLists, Counted, pdroute::ManualClock>;
  Counters counters;
  int prefill_lists = 0;
  int lists = 0;
  const auto list = fleet(counters);
  auto router = Router::create({.prefill = {list.data(), 1},
                                .decode = list,
                                .prefill_policy = {&prefill_lists},
                                .decode_policy = {&lists},
                                .clock = pdroute::ManualClock{}})
                    .value();
  router.decode().value().complete();
  lists = 0;
  for (std::size_t i = 1; i < 20; ++i) {
    const std::string id = "e" + std::to_string(i);
    REQUIRE(router.set_health(Role::decode, id, Health::unhealthy));
    REQUIRE(router.set_health(id, Health::healthy) == 1);
    REQUIRE(router.set_intake(Role::decode, id, Intake::paused));
    REQUIRE(router.set_intake(Role::decode, id, Intake::bound_only, 1s));
    REQUIRE(router.set_intake(id, Intake::paused) == 1);
    REQUIRE(router.set_intake(id, Intake::paused, 1s) == 1);
    REQUIRE(router.drain(Role::decode, id));
    REQUIRE(router.drain(id) == 1);
  }
  CHECK(lists == 0);
  REQUIRE(router.set_health(Role::decode, "e0", Health::unhealthy));
  CHECK(router.decode().value().id() == "e20");
  CHECK(lists == 1);
}
