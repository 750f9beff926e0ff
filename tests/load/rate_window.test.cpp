// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/rate_window.hpp>

#include <chrono>
#include <cstdint>
#include <pdroute/manual_clock.hpp>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using TimePoint = pdroute::ManualClock::time_point;

// Durations that a window cannot hold exactly do not convert: no rounding, no NaN.
static_assert(!std::is_convertible_v<std::chrono::duration<double>, pdroute::RateWindow>);
static_assert(std::is_convertible_v<std::chrono::minutes, pdroute::RateWindow>);

}  // namespace

TEST_CASE("rate window: 60 s have sixty buckets of one second") {
  const pdroute::RateWindow window = 60s;
  CHECK(window.length() == 60s);
  CHECK(window.bucket_width() == 1s);
  CHECK(window.bucket(TimePoint{0ns}) == 0);
  CHECK(window.bucket(TimePoint{999999999ns}) == 0);
  CHECK(window.bucket(TimePoint{1s}) == 1);
}

TEST_CASE("rate window: before the clock's epoch the bucket numbers continue below zero") {
  const pdroute::RateWindow window = 60s;
  CHECK(window.bucket(TimePoint{-1ns}) == -1);
  CHECK(window.bucket(TimePoint{-1s}) == -1);
  CHECK(window.bucket(TimePoint{-1s - 1ns}) == -2);
}

TEST_CASE("rate window: a length that sixty does not divide is rounded up to whole buckets") {
  const pdroute::RateWindow window = 121ns;
  CHECK(window.bucket_width() == 3ns);
  CHECK(window.length() == 180ns);
}

TEST_CASE("rate window: shorter than 120 ns counts as 120 ns") {
  CHECK(pdroute::RateWindow{1ns}.length() == 120ns);
}

TEST_CASE("rate window: a length in a narrow type is not taken for another one") {
  using Short = std::chrono::duration<std::int32_t, std::micro>;  // cannot express a hundred years
  CHECK_FALSE(pdroute::RateWindow{Short{60'000'000}}.check());
  CHECK(pdroute::RateWindow{Short{60'000'000}}.length() == 60s);
}

TEST_CASE("rate window: longer than a hundred years is refused, without overflow") {
  CHECK_FALSE(pdroute::RateWindow{std::chrono::years{99}}.check());
  for (const auto& error :
       {pdroute::RateWindow{std::chrono::years{600}}.check(), pdroute::RateWindow{std::chrono::hours::max()}.check(),
        pdroute::RateWindow{std::chrono::nanoseconds::max()}.check()}) {
    REQUIRE(error);
    CHECK(error->value == "over 100 years");
  }
  CHECK(pdroute::RateWindow{std::chrono::hours::min()}.check());
}

TEST_CASE("rate window: zero or less is refused, and the error names the value") {
  CHECK_FALSE(pdroute::RateWindow{1ns}.check());
  for (const auto length : {0ns, -60ns, std::chrono::nanoseconds{-120s}}) {
    const auto error = pdroute::RateWindow{length}.check();
    REQUIRE(error);
    CHECK(error->rule == pdroute::ConfigError::Rule::window_in_range);
    CHECK(error->value == std::to_string(length.count()) + " ns");
  }
}
