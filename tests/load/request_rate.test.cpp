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
using TimePoint = pdroute::ManualClock::time_point;

constexpr pdroute::RateWindow window = 60s;

std::uint32_t arrivals(const RequestRate& rate, std::chrono::nanoseconds at) {
  return rate.arrivals(window.bucket(TimePoint{at}));
}

}  // namespace

TEST_CASE("request rate: without arrivals it is zero") {
  const RequestRate rate{window};
  CHECK(arrivals(rate, 0s) == 0);
  CHECK(arrivals(rate, 1000h) == 0);
}

TEST_CASE("request rate: an arrival counts until the window has passed its whole bucket") {
  RequestRate rate{window};
  rate.record(TimePoint{10s});
  CHECK(arrivals(rate, 10s) == 1);
  CHECK(arrivals(rate, 70s) == 1);
  CHECK(arrivals(rate, 70s + 999ms) == 1);  // its bucket, one second wide, still touches the window
  CHECK(arrivals(rate, 71s) == 0);
}

TEST_CASE("request rate: per_second divides by the whole window") {
  RequestRate rate{window};
  for (int i = 0; i < 30; ++i) rate.record(TimePoint{1s});
  CHECK(rate.per_second(TimePoint{2s}) == 0.5);
}

TEST_CASE("request rate: after a pause of any length no old arrival counts") {
  RequestRate rate{window};
  for (int i = 0; i < 100; ++i) rate.record(TimePoint{i * 1s});
  rate.record(TimePoint{500h});
  CHECK(arrivals(rate, 500h) == 1);
  rate.record(TimePoint{500h + 61s});
  CHECK(arrivals(rate, 500h + 61s) == 1);
}

TEST_CASE("request rate: the clock steps back by at most a window, arrivals count in the newest bucket") {
  RequestRate rate{window};
  rate.record(TimePoint{100s});
  rate.record(TimePoint{40s});  // counted as if at 100 s
  CHECK(arrivals(rate, 40s) == 2);
  CHECK(arrivals(rate, 160s) == 2);
  CHECK(arrivals(rate, 161s) == 0);
}

TEST_CASE("request rate: the clock steps back by more than a window, the window begins anew") {
  RequestRate rate{window};
  for (int i = 0; i < 10; ++i) rate.record(TimePoint{1h + i * 1s});
  CHECK(arrivals(rate, 100s) == 0);  // what was recorded an hour ahead is forgotten
  rate.record(TimePoint{100s});
  rate.record(TimePoint{101s});
  CHECK(arrivals(rate, 101s) == 2);
  CHECK(arrivals(rate, 160s) == 2);
  CHECK(arrivals(rate, 161s) == 1);
  CHECK(arrivals(rate, 162s) == 0);
}

TEST_CASE("request rate: one request an hour ahead takes at most one window of arrivals from the count") {
  RequestRate rate{window};
  for (int i = 0; i <= 100; ++i) rate.record(TimePoint{i * 1s});
  rate.record(TimePoint{1h});
  for (int i = 101; i <= 300; ++i) rate.record(TimePoint{i * 1s});
  CHECK(arrivals(rate, 300s) == 61);
  CHECK(arrivals(rate, 330s) == 31);
}

TEST_CASE("request rate: in a window below a minute, the clock may step back a minute before the window begins anew") {
  RequestRate rate{1s};  // a thread may be suspended for longer than this window
  constexpr pdroute::RateWindow second = 1s;
  rate.record(TimePoint{2min});
  rate.record(TimePoint{1min});
  CHECK(rate.arrivals(second.bucket(TimePoint{2min})) == 2);
  rate.record(TimePoint{59s});
  CHECK(rate.arrivals(second.bucket(TimePoint{59s})) == 1);
}

TEST_CASE("request rate: an arrival from before the clock stepped back can be undone") {
  RequestRate rate{window};
  rate.record(TimePoint{1h});
  const auto ahead = rate.record(TimePoint{1h});
  rate.record(TimePoint{10s});
  rate.undo(ahead);
  CHECK(arrivals(rate, 10s) == 1);
  CHECK(arrivals(rate, 70s) == 1);
  CHECK(arrivals(rate, 71s) == 0);
}

TEST_CASE("request rate: times at the ends of their type are counted") {
  for (const pdroute::RateWindow narrow : {pdroute::RateWindow{1ns}, pdroute::RateWindow{60s}}) {
    RequestRate rate{narrow};
    for (const auto at : {TimePoint::min(), TimePoint::max(), TimePoint::min()}) {
      rate.record(at);
      CHECK(rate.arrivals(narrow.bucket(at)) == 1);
    }
  }
}

TEST_CASE("request rate: an undone arrival does not count, even if undone later") {
  const auto later = GENERATE(0s, 1s, 59s, 60s, 61s, 62s, 63s, 64s, 200s);
  RequestRate rate{window};
  rate.record(TimePoint{5s});
  const auto receipt = rate.record(TimePoint{5s});
  rate.record(TimePoint{5s + later});
  rate.undo(receipt);
  INFO("undone " << later.count() << " s later");
  for (auto at = 5s + later; at < 300s; at += 1s) {
    const std::uint32_t expected = (at <= 65s ? 1U : 0U) + (at <= 5s + later + 60s ? 1U : 0U);
    REQUIRE(arrivals(rate, at) == expected);
  }
}

TEST_CASE("request rate: threads record across buckets, and no arrival is lost") {
  RequestRate rate{window};
  constexpr int threads = 4;
  constexpr int per_thread = 20000;
  std::vector<std::thread> all;
  for (int t = 0; t < threads; ++t) {
    all.emplace_back([&rate] {
      // 2,000 steps of 20 ms: forty buckets, each begun by the first thread to reach it.
      for (int i = 0; i < per_thread; ++i) rate.record(TimePoint{(i / 10) * 20ms});
    });
  }
  for (auto& thread : all) thread.join();
  CHECK(arrivals(rate, 40s) == threads * per_thread);
}

TEST_CASE("request rate: reads during records never see more than was recorded") {
  RequestRate rate{window};
  constexpr std::uint32_t count = 50000;
  std::uint32_t highest = 0;
  std::thread writer([&rate] {
    for (std::uint32_t i = 0; i < count; ++i)
      rate.undo(rate.record(TimePoint{i * 10ms})), rate.record(TimePoint{i * 10ms});
  });
  for (std::uint32_t i = 0; i < count; ++i) highest = std::max(highest, arrivals(rate, i * 10ms));
  writer.join();
  CHECK(highest <= count + 1);
}
