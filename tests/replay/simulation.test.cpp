// SPDX-License-Identifier: Apache-2.0
// When leases end, who is counted, and what a replay leaves behind.
#include "simulation.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <pdroute/role.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "churn.hpp"
#include "outcome.hpp"
#include "replay.hpp"
#include "service_time.hpp"
#include "trace.hpp"

using namespace std::chrono_literals;
using Kind = replay::ChurnEvent::Kind;
using pdroute::Role;

namespace {

replay::Outcome run(const replay::Trace& trace, replay::ChurnSchedule churn = {}) {
  return replay::replay_trace(trace, "round-robin", "round-robin",
                              {.prefill_endpoints = 2, .decode_endpoints = 2, .churn = std::move(churn)});
}

}  // namespace

TEST_CASE("simulation: requests and tokens go to the endpoint that was chosen") {
  const auto outcome = run({{0s, 100, 1}, {0s, 200, 2}, {1s, 300, 3}});
  CHECK(outcome.requests == 3);
  CHECK(outcome.prefill ==
        std::vector<replay::EndpointShare>{{"p0", Role::prefill, 2, 400}, {"p1", Role::prefill, 1, 200}});
  CHECK(outcome.decode == std::vector<replay::EndpointShare>{{"d0", Role::decode, 1, 1}, {"d1", Role::decode, 2, 5}});
  CHECK(outcome.in_flight_end == 0);
}

TEST_CASE("simulation: a request runs for its predicted time, and can be cancelled until then") {
  const replay::Trace trace{{0s, 1000, 100}};
  const auto end = replay::prefill_time(1000) + replay::transfer_time(1000) +
                   replay::decode_time(100, {.requests = 1, .kv_tokens = 1100});
  for (const auto at : {1ns, replay::prefill_time(1000), end - 1ns}) {
    const auto outcome = run(trace, {{.at = at, .kind = Kind::cancel, .number = 0}});
    CHECK(outcome.cancelled == 1);
    CHECK(outcome.in_flight_end == 0);
  }
  for (const auto at : {end, end + 1s}) {
    CHECK(run(trace, {{.at = at, .kind = Kind::cancel, .number = 0}}).cancelled == 0);
  }
}

TEST_CASE("simulation: a request that shares its endpoint decodes more slowly, unless the other was cancelled") {
  // Every pair of two by two in four turns: the last request meets the first on d0.
  const replay::Trace trace{{0s, 1000, 100}, {0s, 1, 1}, {0s, 1, 1}, {1s, 1000, 100}};
  const auto begin = 1s + replay::prefill_time(1000) + replay::transfer_time(1000);
  const auto alone = begin + replay::decode_time(100, {.requests = 1, .kv_tokens = 1100});
  const auto together = begin + replay::decode_time(100, {.requests = 2, .kv_tokens = 2200});
  const auto cancelled_at = [&](std::chrono::nanoseconds at) {
    return run(trace, {{.at = at, .kind = Kind::cancel, .number = 3}}).cancelled;
  };
  REQUIRE(run(trace).decode[0].requests == 2);
  CHECK(cancelled_at(together - 1ns) == 1);
  CHECK(cancelled_at(together) == 0);
  const auto cancelled_after_the_first_at = [&](std::chrono::nanoseconds at) {
    return run(trace, {{.at = 500ms, .kind = Kind::cancel, .number = 0}, {.at = at, .kind = Kind::cancel, .number = 3}})
        .cancelled;
  };
  CHECK(cancelled_after_the_first_at(alone - 1ns) == 2);
  CHECK(cancelled_after_the_first_at(alone) == 1);
}

TEST_CASE("simulation: a request that finds nobody is counted by the reason") {
  const replay::Trace trace{{0s, 1, 1}, {1s, 1, 1}, {2s, 1, 1}, {3s, 1, 1}, {4s, 1, 1}};
  const auto outcome = run(trace, {{.at = 1s, .kind = Kind::drain, .role = Role::decode, .number = 0},
                                   {.at = 1s, .kind = Kind::remove, .role = Role::decode, .number = 1},
                                   {.at = 3s, .kind = Kind::remove, .role = Role::decode, .number = 0},
                                   {.at = 4s, .kind = Kind::restore, .role = Role::decode, .number = 0}});
  CHECK(outcome.unrouted == std::map<std::string, std::uint64_t>{{"no decode endpoint: 1 draining of 1", 2},
                                                                 {"no decode endpoint: there are none", 1}});
  CHECK(replay::unrouted_requests(outcome) == 3);
  CHECK(outcome.prefill[0].requests + outcome.prefill[1].requests == 2);
}

TEST_CASE("simulation: leases of an endpoint that was removed end normally and leave nothing behind") {
  const replay::Trace trace{{0s, 100'000, 2000}, {0s, 100'000, 2000}};
  const auto outcome = run(trace, {{.at = 1ms, .kind = Kind::remove, .role = Role::prefill, .number = 0},
                                   {.at = 1ms, .kind = Kind::remove, .role = Role::decode, .number = 0},
                                   {.at = 2ms, .kind = Kind::restore, .role = Role::decode, .number = 0},
                                   {.at = 3ms, .kind = Kind::drain, .role = Role::decode, .number = 1},
                                   {.at = 4ms, .kind = Kind::cancel, .number = 0}});
  CHECK(outcome.cancelled == 1);
  CHECK(outcome.in_flight_end == 0);
}
