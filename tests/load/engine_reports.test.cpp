// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/engine_reports.hpp>
//
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <pdroute/manual_clock.hpp>
#include <string>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::EngineReport;
using pdroute::EngineReports;
using pdroute::Estimate;

namespace {

constexpr auto at(std::chrono::nanoseconds since) {
  return pdroute::ManualClock::time_point{since};
}
constexpr Estimate unknown{};

}  // namespace

TEST_CASE("engine reports: before the first report, everything is unknown") {
  const EngineReports metric{{}};
  CHECK(metric.requests_of_others(at(1s)) == unknown);
  CHECK(metric.queue_beyond_own(at(1s)) == unknown);
  CHECK(metric.kv_usage_beyond_own(at(1s)) == unknown);
  CHECK_FALSE(metric.report_age(at(1s)));
}

TEST_CASE("engine reports: own requests are subtracted, those of other gateways remain") {
  EngineReports metric{{}};
  metric.report({.running = 10, .waiting = 4}, at(1s), {.in_flight = 5});
  CHECK(metric.requests_of_others(at(2s)) == Estimate{9, 1});
  CHECK(metric.queue_beyond_own(at(2s)) == Estimate{-1, 1});
  CHECK(metric.report_age(at(3s)) == std::chrono::nanoseconds{2s});
}

TEST_CASE("engine reports: more own requests than the report counts, those of others are zero and not negative") {
  EngineReports metric{{}};
  metric.report({.running = 0, .waiting = 0}, at(1s), {.in_flight = 1000});
  CHECK(metric.requests_of_others(at(1s)) == Estimate{0, 1});
}

TEST_CASE("engine reports: KV usage beyond the own tokens is a share of the cache's size") {
  EngineReports metric{{}};
  metric.report({.kv_cache = EngineReport::KvCache{.usage = 0.5, .tokens = 1000}}, at(1s), {.kv_tokens = 200});
  CHECK(metric.kv_usage_beyond_own(at(1s)).value == Approx(0.3));
  CHECK(metric.kv_usage_per_token(at(1s)).value == Approx(0.001));
}

TEST_CASE("engine reports: figures from several sources are kept, and each becomes stale by itself") {
  EngineReports metric{{.stale_after = 10s}};
  metric.report({.running = 500, .waiting = 50}, at(1s), {});
  metric.report({.kv_cache = EngineReport::KvCache{0.5, 10}}, at(5s), {});
  CHECK(metric.requests_of_others(at(5s)) == Estimate{550, 1});
  CHECK(metric.queue_beyond_own(at(5s)) == Estimate{50, 1});
  CHECK(metric.kv_usage_beyond_own(at(5s)) == Estimate{0.5, 1});
  CHECK(metric.report_age(at(5s)) == std::chrono::nanoseconds{0});
  metric.report({.waiting = 2}, at(6s), {});
  CHECK(metric.requests_of_others(at(12s)) == unknown);  // last reported at 1 s
  CHECK(metric.queue_beyond_own(at(12s)) == Estimate{2, 1});
  CHECK(metric.kv_usage_per_token(at(12s)) == Estimate{0.1, 1});
  CHECK(metric.kv_usage_beyond_own(at(15s + 1ns)) == unknown);
}

TEST_CASE("engine reports: an older report does not replace a newer one, a report of the same time does") {
  EngineReports metric{{}};
  metric.report({.running = 7, .waiting = 0}, at(5s), {});
  metric.report({.running = 1, .waiting = 0}, at(4s), {});
  CHECK(metric.requests_of_others(at(5s)) == Estimate{7, 1});
  metric.report({.running = 2, .waiting = 0}, at(5s), {});
  CHECK(metric.requests_of_others(at(5s)) == Estimate{2, 1});
}

TEST_CASE("engine reports: a stale report counts as unknown") {
  EngineReports metric{{.stale_after = 10s}};
  metric.report({.running = 7, .waiting = 0}, at(5s), {});
  CHECK(metric.requests_of_others(at(15s)) == Estimate{7, 1});
  CHECK(metric.requests_of_others(at(15s + 1ns)) == unknown);
  CHECK(metric.requests_of_others(at(1s)) == Estimate{7, 1});  // the clock has stepped back
}

TEST_CASE("engine reports: impossible figures and options are refused, and the error names them") {
  const auto refused = [](double usage, std::uint64_t tokens) {
    return EngineReport{.kv_cache = EngineReport::KvCache{usage, tokens}}.check().has_value();
  };
  CHECK_FALSE(EngineReport{}.check());
  CHECK_FALSE(refused(0, 1));
  CHECK_FALSE(refused(1, 1));
  CHECK(refused(-0.01, 1));
  CHECK(refused(1.01, 1));
  CHECK(refused(std::nan(""), 1));
  CHECK(refused(0.5, 0));
  CHECK(EngineReport{.kv_cache = EngineReport::KvCache{35, 10}}.check()->text() ==
        "a KV cache's usage must be from 0 to 1, and at least one token must fit: 35 of 10 tokens");
  CHECK_FALSE(EngineReports::Options{}.check());
  CHECK(EngineReports::Options{.stale_after = 0s}.check()->text() == "a report must count for longer than zero: 0 ns");
}

TEST_CASE("engine reports: threads read while others report, and see a whole report or none") {
  EngineReports metric{{}};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (std::uint32_t i = 0; i < 20'000; ++i) metric.report({.running = 3, .waiting = 4}, at(1s * i), {});
    });
  }
  int wrong = 0;
  for (int i = 0; i < 20'000; ++i) {
    const Estimate others = metric.requests_of_others(at(0s));
    wrong += others == unknown || others == Estimate{7, 1} ? 0 : 1;
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}
