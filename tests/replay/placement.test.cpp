// SPDX-License-Identifier: Apache-2.0
// Compares the replay, and with it the whole library, with the reference: each endpoint gets the same number of
// requests.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "churn.hpp"
#include "generated_trace.hpp"
#include "outcome.hpp"
#include "policies_by_name.hpp"
#include "reference.hpp"
#include "replay.hpp"
#include "trace.hpp"
#include "trace_file.hpp"

using namespace std::chrono_literals;

namespace {

std::vector<std::uint64_t> requests(const std::vector<replay::EndpointShare>& shares) {
  std::vector<std::uint64_t> result;
  for (const auto& share : shares) result.push_back(share.requests);
  return result;
}

/// Returns the number of requests that found no endpoint.
std::uint64_t check_against_reference(const replay::Trace& trace, std::string_view prefill_policy,
                                      std::string_view decode_policy, const replay::Setup& setup) {
  INFO("prefill by " << prefill_policy << ", decode by " << decode_policy);
  const auto outcome = replay::replay_trace(trace, prefill_policy, decode_policy, setup);
  const auto expected = reference::predict(trace, setup.churn,
                                           {.prefill_policy = std::string{prefill_policy},
                                            .decode_policy = std::string{decode_policy},
                                            .prefill_endpoints = setup.prefill_endpoints,
                                            .decode_endpoints = setup.decode_endpoints,
                                            .seed = setup.policies.seed,
                                            .qps_window = setup.policies.qps_window});
  CHECK(requests(outcome.prefill) == expected.prefill);
  CHECK(requests(outcome.decode) == expected.decode);
  CHECK(replay::unrouted_requests(outcome) == expected.unrouted);
  CHECK(replay::max_over_mean(outcome.prefill_outstanding).value_or(0) == Approx(expected.prefill_max_over_mean));
  CHECK(replay::max_over_mean(outcome.decode_outstanding).value_or(0) == Approx(expected.decode_max_over_mean));
  CHECK(outcome.in_flight_end == 0);
  return expected.unrouted;
}

/// Returns the number of requests that found no endpoint.
std::uint64_t check_every_policy(const replay::Trace& trace) {
  std::uint64_t unrouted = 0;
  for (const std::string& policy : examples::policy_names()) {
    check_against_reference(trace, policy, policy, {});
    for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U}) {
      INFO("churn seed " << seed);
      unrouted += check_against_reference(trace, policy, policy,
                                          {.policies = {.seed = seed}, .churn = replay::make_churn(trace, 4, 4, seed)});
    }
  }
  return unrouted;
}

}  // namespace

TEST_CASE("placement: the generated trace lands as in the reference, under every policy") {
  const std::uint64_t unrouted = check_every_policy(replay::generate_trace());
  CHECK(unrouted > 0);  // at least one schedule left a role without an eligible endpoint
}

TEST_CASE("placement: every pair of policies on roles of different sizes lands as in the reference") {
  const auto trace = replay::generate_trace(1500);
  for (const std::string& prefill : examples::policy_names()) {
    for (const std::string& decode : examples::policy_names()) {
      check_against_reference(trace, prefill, decode, {.prefill_endpoints = 5, .decode_endpoints = 3});
      check_against_reference(
          trace, prefill, decode,
          {.prefill_endpoints = 6, .decode_endpoints = 2, .churn = replay::make_churn(trace, 6, 2, 7)});
    }
  }
}

TEST_CASE("placement: roles of one endpoint land as in the reference") {
  const auto trace = replay::generate_trace(1000);
  for (const std::string& policy : examples::policy_names()) {
    check_against_reference(
        trace, policy, policy,
        {.prefill_endpoints = 1, .decode_endpoints = 1, .churn = replay::make_churn(trace, 1, 1, 3)});
  }
}

TEST_CASE("placement: QPS windows of other lengths, down to one nanosecond, land as in the reference") {
  const auto trace = replay::generate_trace(3000);
  for (const std::chrono::nanoseconds window :
       {1ns, 59ns, 61ns, 2'999'999'999ns, 3'000'000'000ns, 3'600'000'000'000ns}) {
    INFO("window " << window.count() << " ns");
    check_against_reference(trace, "qps", "qps",
                            {.policies = {.qps_window = window}, .churn = replay::make_churn(trace, 4, 4, 11)});
  }
}

TEST_CASE("placement: a trace file named in PDROUTE_TRACE lands as in the reference") {
  // Set PDROUTE_TRACE to a trace file to check that trace as well.
  const char* const path = std::getenv("PDROUTE_TRACE");
  if (path == nullptr) {
    WARN("skipped: PDROUTE_TRACE names no file");
    return;
  }
  check_every_policy(replay::read_trace(path));
}
