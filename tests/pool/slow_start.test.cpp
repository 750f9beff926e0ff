// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/slow_start.hpp>
//
#include <chrono>
#include <limits>
#include <string>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::SlowStart;

TEST_CASE("slow start: off unless a duration is given") {
  CHECK_FALSE(SlowStart{}.on());
  CHECK_FALSE(SlowStart{}.check());
  CHECK(SlowStart{.duration = 1ns}.on());
}

TEST_CASE("slow start: the share rises in a straight line, and is never below the floor") {
  const SlowStart rules{.duration = 20s, .floor = 0.25};
  CHECK(rules.share_after(0s) == 0.25);
  CHECK(rules.share_after(5s) == 0.25);
  CHECK(rules.share_after(10s) == 0.5);
  CHECK(rules.share_after(20s) == 1);
  CHECK(rules.share_after(24h * 365 * 100) == 1);
}

TEST_CASE("slow start: invalid options are refused, and the error names option and value") {
  const auto value = [](const SlowStart& rules) { return rules.check() ? rules.check()->value : "accepted"; };
  CHECK(value({.duration = 24h * 365 * 100, .floor = 1}) == "accepted");
  CHECK(value({.duration = -1ns}) == "duration -1 ns");
  CHECK(value({.duration = 24h * 365 * 100 + 1ns}) == "duration 3153600000000000001 ns");
  CHECK(value({.duration = 1s, .floor = 0}) == "floor 0");
  CHECK(value({.duration = 1s, .floor = 1.5}) == "floor 1.5");
  CHECK(value({.floor = std::numeric_limits<double>::quiet_NaN()}).find("floor") == 0);
  CHECK(SlowStart{.duration = -1ns}.check()->rule == pdroute::ConfigError::Rule::slow_start_in_range);
}
