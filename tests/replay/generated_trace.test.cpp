// SPDX-License-Identifier: Apache-2.0
#include "generated_trace.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <pdroute/key.hpp>
#include <set>
#include <vector>

#include "catch2_compat.hpp"
#include "trace.hpp"

using namespace std::chrono_literals;

namespace {

using Values = std::vector<std::uint64_t>;

Values lengths(const replay::Trace& trace, std::uint64_t replay::TraceRequest::* field) {
  Values values;
  for (const auto& request : trace) values.push_back(request.*field);
  std::sort(values.begin(), values.end());
  return values;
}

bool near(double value, double expected, double tolerance) {
  return std::abs(value - expected) <= tolerance * expected;
}

double quantile(const Values& sorted, double q) {
  return static_cast<double>(sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))]);
}
double mean(const Values& values) {
  return static_cast<double>(std::accumulate(values.begin(), values.end(), std::uint64_t{0})) /
         static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("generated trace: same seed, same trace, another seed, another trace") {
  CHECK(replay::generate_trace() == replay::generate_trace());
  CHECK(replay::generate_trace(1000, 1) != replay::generate_trace(1000, 2));
}

TEST_CASE("generated trace: the lengths are within 1 % of the published statistics") {
  const auto trace = replay::generate_trace();
  REQUIRE(trace.size() == 12'031);
  const Values prompts = lengths(trace, &replay::TraceRequest::prompt_tokens);
  CHECK(near(quantile(prompts, 0.5), 6'909, 0.01));
  CHECK(near(quantile(prompts, 0.9), 27'367, 0.01));
  CHECK(near(quantile(prompts, 0.99), 85'400, 0.01));
  CHECK(near(quantile(prompts, 1), 126'195, 0.01));
  CHECK(near(mean(prompts), 12'035, 0.01));
  const Values outputs = lengths(trace, &replay::TraceRequest::output_tokens);
  CHECK(near(quantile(outputs, 0.5), 350, 0.01));
  CHECK(near(quantile(outputs, 0.9), 597, 0.01));
  CHECK(near(quantile(outputs, 0.99), 1'119, 0.01));
  CHECK(near(quantile(outputs, 1), 2'000, 0.01));
  CHECK(near(mean(outputs), 343, 0.01));
}

TEST_CASE("generated trace: requests arrive at 3.4 per second within 1 %, in batches every three seconds") {
  const auto trace = replay::generate_trace();
  CHECK(trace.front().arrival == 0s);
  CHECK(
      near(static_cast<double>(trace.size()) / std::chrono::duration<double>(trace.back().arrival).count(), 3.4, 0.01));
  std::set<std::chrono::nanoseconds> moments;
  bool in_order = true;
  bool on_the_beat = true;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    moments.insert(trace[i].arrival);
    in_order = in_order && (i == 0 || trace[i - 1].arrival <= trace[i].arrival);
    on_the_beat = on_the_beat && trace[i].arrival % 3s == 0s;
  }
  CHECK(in_order);
  CHECK(on_the_beat);
  CHECK(near(static_cast<double>(moments.size()), 1'180, 0.01));
}

TEST_CASE("generated trace: the sessions are as many as published within 2 %, most have one request and few are long") {
  const auto trace = replay::generate_trace();
  std::map<pdroute::Key, std::size_t> sizes;
  for (const auto& request : trace) ++sizes[request.key.value()];
  CHECK(near(static_cast<double>(sizes.size()), 7'373, 0.02));
  const auto alone = std::count_if(sizes.begin(), sizes.end(), [](const auto& entry) { return entry.second == 1; });
  CHECK(near(static_cast<double>(alone), 5'114, 0.05));
  const auto longest =
      std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  CHECK(longest->second > 10);
  CHECK(longest->second < trace.size() / 50);
}

TEST_CASE("generated trace: a short trace has the same mean within 5 %") {
  const auto trace = replay::generate_trace(500);
  REQUIRE(trace.size() == 500);
  CHECK(near(mean(lengths(trace, &replay::TraceRequest::prompt_tokens)), 12'035, 0.05));
  CHECK(replay::generate_trace(1).size() == 1);
}
