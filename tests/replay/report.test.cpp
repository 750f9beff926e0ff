// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "outcome.hpp"

using pdroute::Role;

namespace {

replay::Outcome example() {
  return {.prefill_policy = "random",
          .decode_policy = "qps",
          .requests = 1004,
          .prefill = {{"p0", Role::prefill, 750, 3'000'000}, {"p1", Role::prefill, 250, 1'000'000}},
          .decode = {{"d0", Role::decode, 1000, 12'345}},
          .prefill_outstanding = {.requests = 1000, .max = 3e6, .mean = 2e6, .ahead = 1'499'500},
          .decode_outstanding = {.requests = 1000, .max = 7, .mean = 7, .ahead = 0},
          .unrouted = {{"no decode endpoint: there are none", 1}, {"no decode endpoint: 1 draining of 1", 3}},
          .cancelled = 5,
          .in_flight_end = 0,
          .cost = {.median = std::chrono::nanoseconds{42}, .timer = std::chrono::nanoseconds{17}}};
}

}  // namespace

TEST_CASE("report: a number is printed in groups of three digits") {
  CHECK(replay::grouped(0) == "0");
  CHECK(replay::grouped(999) == "999");
  CHECK(replay::grouped(1000) == "1,000");
  CHECK(replay::grouped(1'020'003) == "1,020,003");
}

TEST_CASE("report: a trace is described in one line") {
  CHECK(replay::trace_line("a.gz", {{std::chrono::seconds{0}, 1000, 10}, {std::chrono::seconds{2}, 2000, 20}}) ==
        "a.gz: 2 requests in 2 s, prompts of 1,500 tokens on average, outputs of 15\n");
}

TEST_CASE("report: an outcome is printed as a table") {
  CHECK(replay::table(example()) == R"(
prefill by random, decode by qps

  prefill       requests     prompt tokens
  p0                 750         3,000,000
  p1                 250         1,000,000
  max/mean         1.500             1.500
  outstanding max/mean               1.500
  tokens ahead                       1,500

  decode        requests     output tokens
  d0               1,000            12,345
  max/mean         1.000             1.000
  outstanding max/mean               1.000
  tokens ahead                           0

  unrouted 4, cancelled 5, left in flight 0
    no decode endpoint: 1 draining of 1: 3 requests
    no decode endpoint: there are none: 1 request
  a decision took 42 ns (median over 1,004 calls of route, less 17 ns for reading the clock)
)");
}

TEST_CASE("report: outcomes are printed as a JSON array") {
  const std::vector<replay::Outcome> outcomes{example(), example()};
  const auto all = nlohmann::json::parse(replay::json_text(outcomes));
  REQUIRE(all.is_array());
  REQUIRE(all.size() == 2);
  CHECK(all[0] == nlohmann::json::parse(R"({
    "policy": "random", "decode_policy": "qps", "requests": 1004, "unrouted": 4,
    "unrouted_reasons": {"no decode endpoint: there are none": 1, "no decode endpoint: 1 draining of 1": 3},
    "cancelled": 5, "in_flight_end": 0,
    "per_endpoint": [{"id": "p0", "role": "prefill", "requests": 750, "tokens": 3000000},
                     {"id": "p1", "role": "prefill", "requests": 250, "tokens": 1000000},
                     {"id": "d0", "role": "decode", "requests": 1000, "tokens": 12345}],
    "imbalance_max_over_mean": {"prefill": 1.5, "decode": 1.0},
    "token_imbalance_max_over_mean": {"prefill": 1.5, "decode": 1.0},
    "outstanding_max_over_mean": {"prefill": 1.5, "decode": 1.0},
    "tokens_ahead": {"prefill": 1499.5, "decode": 0.0}, "decision_ns": 42})"));
}

TEST_CASE("report: policies are compared in a Markdown table") {
  replay::Outcome no_requests;
  no_requests.prefill_policy = "round-robin";
  const std::vector<replay::Outcome> outcomes{example(), no_requests};
  CHECK(replay::comparison(outcomes) ==
        R"(| policy               | prefill tokens | outstanding |     ahead | decode tokens | outstanding |     ahead |
| --- | --: | --: | --: | --: | --: | --: |
| random               |          1.500 |       1.500 |     1,500 |         1.000 |       1.000 |         0 |
| round-robin          |              - |           - |         - |             - |           - |         - |
)");
}

TEST_CASE("report: an outcome without requests has no imbalance") {
  replay::Outcome outcome;
  outcome.prefill = {{"p0", Role::prefill, 0, 0}};
  CHECK(!replay::max_over_mean(outcome.prefill, &replay::EndpointShare::requests));
  CHECK(!replay::max_over_mean(outcome.prefill_outstanding));
  CHECK(!replay::tokens_ahead(outcome.prefill_outstanding));
  const std::vector<replay::Outcome> outcomes{outcome};
  CHECK(nlohmann::json::parse(replay::json_text(outcomes))[0]["imbalance_max_over_mean"]["prefill"].is_null());
}
