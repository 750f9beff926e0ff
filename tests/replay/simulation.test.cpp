// SPDX-License-Identifier: Apache-2.0
// The simulation: when leases end, which requests and tokens are counted, and that nothing is left in flight.
#include "simulation.hpp"

#include <chrono>
#include <cstddef>
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

TEST_CASE("simulation: requests and tokens are counted at the endpoint that was chosen") {
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
  // Round robin uses all four pairs in four requests, so the last request meets the first on d0.
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

TEST_CASE("simulation: two prompts on one endpoint are computed one after the other") {
  const replay::Trace trace{{0s, 1000, 1}, {0s, 2000, 10}};
  const auto end = replay::prefill_time(1000) + replay::prefill_time(2000) + replay::transfer_time(2000) +
                   replay::decode_time(10, {.requests = 1, .kv_tokens = 2010});
  const auto cancelled_at = [&](std::chrono::nanoseconds at) {
    return replay::replay_trace(trace, "round-robin", "round-robin",
                                {.prefill_endpoints = 1,
                                 .decode_endpoints = 2,
                                 .churn = {{.at = at, .kind = Kind::cancel, .number = 1}}})
        .cancelled;
  };
  CHECK(cancelled_at(end - 1ns) == 1);
  CHECK(cancelled_at(end) == 0);
}

TEST_CASE("simulation: many absurd prompts wait, and time does not overflow") {
  const auto n = std::chrono::nanoseconds::max() / replay::prefill_time(replay::max_tokens) + 2;
  const auto last = static_cast<std::size_t>(n) - 1;
  const auto outcome = replay::replay_trace(
      replay::Trace(static_cast<std::size_t>(n), {0s, replay::max_tokens, 1}), "round-robin", "round-robin",
      {.prefill_endpoints = 1, .churn = {{.at = 24h * 365, .kind = Kind::cancel, .number = last}}});
  CHECK(outcome.cancelled == 1);  // it still waits after a year
  CHECK(outcome.in_flight_end == 0);
}

TEST_CASE("simulation: an answer grows, and the router is told after every 256 tokens, never of its final length") {
  // The first answer reaches its 256th token about 5 s after its arrival. The second, on the other endpoint, has 256
  // tokens in all, so it is never reported.
  const auto decode_of_third = [](std::chrono::nanoseconds arrival) {
    const replay::Trace trace{{0s, 1000, 1000}, {1s, 1100, 256}, {arrival, 1, 1}};
    const auto outcome = replay::replay_trace(trace, "round-robin", "least-kv", {.decode_endpoints = 2});
    return outcome.decode[0].requests == 2 ? "d0" : "d1";
  };
  CHECK(decode_of_third(4s) == std::string{"d0"});      // 1000 against 1100
  CHECK(decode_of_third(5500ms) == std::string{"d1"});  // 1256 against 1100
}

TEST_CASE("simulation: the outstanding tokens equal those computed by hand") {
  // Round robin over two by two: p0 d0, p1 d1, p0 d1, p1 d0. The last request arrives when p0 has computed its first
  // prompt (in 81 ms) and not its second (in 148 ms more), nor p1 its only one (in 217 ms).
  const auto outcome = run({{0s, 1000, 100}, {0s, 3000, 100}, {0s, 2000, 100}, {160ms, 500, 100}});
  REQUIRE(outcome.prefill[0].tokens == 3000);
  REQUIRE(outcome.decode[1].tokens == 200);
  // Found on p0, p1:           0, 0    1000, 0    1000, 3000    2000, 3000
  CHECK(outcome.prefill_outstanding.max == 0 + 1000 + 3000 + 3000);
  CHECK(outcome.prefill_outstanding.mean == 0 + 500 + 2000 + 2500);
  CHECK(outcome.prefill_outstanding.ahead == 0 + 0 + 1000 + 3000);
  CHECK(replay::max_over_mean(outcome.prefill_outstanding) == Approx(1.4));
  CHECK(replay::tokens_ahead(outcome.prefill_outstanding) == Approx(1000));
  // Found on d0, d1:           0, 0    1100, 0    1100, 3100    1100, 5200
  CHECK(outcome.decode_outstanding.max == 0 + 1100 + 3100 + 5200);
  CHECK(outcome.decode_outstanding.mean == 0 + 550 + 2100 + 3150);
  CHECK(outcome.decode_outstanding.ahead == 0 + 0 + 3100 + 1100);
}

TEST_CASE("simulation: tokens at an endpoint that cannot be chosen are not counted as outstanding") {
  const auto outcome =
      run({{0s, 1000, 100}, {1ms, 1000, 100}}, {{.at = 1ms, .kind = Kind::drain, .role = Role::prefill, .number = 0},
                                                {.at = 1ms, .kind = Kind::remove, .role = Role::decode, .number = 0}});
  CHECK(outcome.prefill_outstanding.requests == 2);
  CHECK(outcome.prefill_outstanding.max == 0);
  CHECK(outcome.decode_outstanding.max == 0);
  CHECK(!replay::max_over_mean(outcome.prefill_outstanding));
}

TEST_CASE("simulation: a request that finds no endpoint is counted by the reason") {
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

TEST_CASE("simulation: leases of a removed endpoint end normally, and nothing is left in flight") {
  const replay::Trace trace{{0s, 100'000, 2000}, {0s, 100'000, 2000}};
  const auto outcome = run(trace, {{.at = 1ms, .kind = Kind::remove, .role = Role::prefill, .number = 0},
                                   {.at = 1ms, .kind = Kind::remove, .role = Role::decode, .number = 0},
                                   {.at = 2ms, .kind = Kind::restore, .role = Role::decode, .number = 0},
                                   {.at = 3ms, .kind = Kind::drain, .role = Role::decode, .number = 1},
                                   {.at = 4ms, .kind = Kind::cancel, .number = 0}});
  CHECK(outcome.cancelled == 1);
  CHECK(outcome.in_flight_end == 0);
}
