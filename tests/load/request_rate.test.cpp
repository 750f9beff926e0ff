// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/request_rate.hpp>

#include <chrono>
#include <pdroute/manual_clock.hpp>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::RequestRate;
using Moment = pdroute::ManualClock::time_point;

constexpr pdroute::RateWindow window = 60s;

std::uint32_t arrivals(const RequestRate& rate, std::chrono::nanoseconds at) {
  return rate.arrivals(window.bucket(Moment{at}));
}

}  // namespace

TEST_CASE("a rate without arrivals is zero") {
  const RequestRate rate{window};
  CHECK(arrivals(rate, 0s) == 0);
  CHECK(arrivals(rate, 1000h) == 0);
}

TEST_CASE("an arrival counts until the window has passed it, edge included") {
  RequestRate rate{window};
  rate.record(Moment{10s});
  CHECK(arrivals(rate, 10s) == 1);
  CHECK(arrivals(rate, 70s) == 1);
  CHECK(arrivals(rate, 70s + 999ms) == 1);  // its bucket, one second wide, still touches the window
  CHECK(arrivals(rate, 71s) == 0);
}

TEST_CASE("the rate divides by the whole window") {
  RequestRate rate{window};
  for (int i = 0; i < 30; ++i) rate.record(Moment{1s});
  CHECK(rate.per_second(Moment{2s}) == 0.5);
}

TEST_CASE("a pause of any length leaves nothing behind") {
  RequestRate rate{window};
  for (int i = 0; i < 100; ++i) rate.record(Moment{i * 1s});
  rate.record(Moment{500h});
  CHECK(arrivals(rate, 500h) == 1);
  rate.record(Moment{500h + 61s});
  CHECK(arrivals(rate, 500h + 61s) == 1);
}

TEST_CASE("a clock that steps back is clamped to the newest bucket") {
  RequestRate rate{window};
  rate.record(Moment{100s});
  rate.record(Moment{10s});  // counted as if at 100 s
  CHECK(arrivals(rate, 10s) == 2);
  CHECK(arrivals(rate, 160s) == 2);
  CHECK(arrivals(rate, 161s) == 0);
}

TEST_CASE("an undone arrival never was, also when time has gone on") {
  const auto later = GENERATE(0s, 1s, 59s, 60s, 61s, 62s, 63s, 64s, 200s);
  RequestRate rate{window};
  rate.record(Moment{5s});
  const auto receipt = rate.record(Moment{5s});
  rate.record(Moment{5s + later});
  rate.undo(receipt);
  INFO("undone " << later.count() << " s later");
  for (auto at = 5s + later; at < 300s; at += 1s) {
    const std::uint32_t expected = (at <= 65s ? 1U : 0U) + (at <= 5s + later + 60s ? 1U : 0U);
    REQUIRE(arrivals(rate, at) == expected);
  }
}

TEST_CASE("no arrival is lost when threads record across buckets") {
  RequestRate rate{window};
  constexpr int threads = 4;
  constexpr int per_thread = 20000;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&rate] {
      // 2,000 steps of 20 ms: forty buckets, each begun by whichever thread comes first.
      for (int i = 0; i < per_thread; ++i) rate.record(Moment{(i / 10) * 20ms});
    });
  }
  for (auto& thread : all) thread.join();
  CHECK(arrivals(rate, 40s) == threads * per_thread);
}

TEST_CASE("readers beside recorders see no more than was ever recorded") {
  RequestRate rate{window};
  constexpr std::uint32_t count = 50000;
  std::uint32_t most = 0;
  std::thread writer([&rate] {
    for (std::uint32_t i = 0; i < count; ++i) rate.undo(rate.record(Moment{i * 10ms})), rate.record(Moment{i * 10ms});
  });
  for (std::uint32_t i = 0; i < count; ++i) most = std::max(most, arrivals(rate, i * 10ms));
  writer.join();
  CHECK(most <= count + 1);
}
