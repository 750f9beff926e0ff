// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/outlier_detection.hpp>
//
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::OutlierDetection;

TEST_CASE("outlier detection: the ejection time doubles each time, up to the maximum") {
  const OutlierDetection rules{.base_ejection_time = 10s, .max_ejection_time = 60s};
  CHECK(rules.time_out(1) == 10s);
  CHECK(rules.time_out(2) == 20s);
  CHECK(rules.time_out(3) == 40s);
  CHECK(rules.time_out(4) == 60s);
  CHECK(rules.time_out(4'000'000'000) == 60s);
  const OutlierDetection centuries{.base_ejection_time = 1ns, .max_ejection_time = 24h * 365 * 100};
  CHECK(centuries.time_out(1000) == centuries.max_ejection_time);  // no overflow on the way
}

TEST_CASE("outlier detection: at most a share may be ejected, at least one of two or more, none of one") {
  const OutlierDetection rules;
  CHECK(rules.max_ejected(0) == 0);
  CHECK(rules.max_ejected(1) == 0);
  CHECK(rules.max_ejected(2) == 1);
  CHECK(rules.max_ejected(3) == 1);
  CHECK(rules.max_ejected(9) == 4);
  CHECK(OutlierDetection{.max_ejected_share = 0.1}.max_ejected(3) == 1);
  CHECK(OutlierDetection{.max_ejected_share = 0.1}.max_ejected(30) == 3);
  CHECK(OutlierDetection{.max_ejected_share = 0.29}.max_ejected(100) == 29);  // 0.29 * 100 is just below 29
}

TEST_CASE("outlier detection: a share of eligible members below the threshold is panic, at it is not") {
  const OutlierDetection rules;
  CHECK_FALSE(rules.panics(4, 8));
  CHECK(rules.panics(3, 8));
  CHECK_FALSE(rules.panics(0, 0));
  CHECK_FALSE(OutlierDetection{.panic_threshold = 0.55}.panics(55, 100));  // 0.55 * 100 is just above 55
  CHECK_FALSE(OutlierDetection{.panic_threshold = 0}.panics(0, 8));
}

TEST_CASE("outlier detection: invalid options are refused, and the error names option and value") {
  const auto value = [](const OutlierDetection& rules) { return rules.check() ? rules.check()->value : "accepted"; };
  CHECK(value({}) == "accepted");
  CHECK(value({.consecutive_failures = 0}) == "accepted");  // off
  CHECK(value({.consecutive_failures = 65'536}) == "consecutive_failures 65536");
  CHECK(value({.failure_share = 0}) == "failure_share 0");
  CHECK(value({.failure_share = 1}) == "accepted");
  CHECK(value({.failure_share = std::nan("")}).find("failure_share") == 0);
  CHECK(value({.window = 0s}) == "window 0 ns");
  CHECK(value({.silence = -1ns}) == "silence -1 ns");
  CHECK(value({.probes = 0}) == "probes 0");
  CHECK(value({.probes = 1024}) == "probes 1024");
  CHECK(value({.base_ejection_time = 0s}) == "base_ejection_time 0 ns");
  CHECK(value({.base_ejection_time = -1ns}) == "base_ejection_time -1 ns");
  CHECK(value({.base_ejection_time = 10s, .max_ejection_time = 9s}) ==
        "base_ejection_time 10000000000 ns > max_ejection_time 9000000000 ns");
  CHECK(value({.max_ejection_time = 24h * 365 * 100 + 1ns}) == "max_ejection_time 3153600000000000001 ns");
  CHECK(value({.max_ejected_share = 1.5}) == "max_ejected_share 1.5");
  CHECK(value({.max_ejected_share = std::nan("")}).find("max_ejected_share") == 0);
  CHECK(value({.panic_threshold = -0.5}) == "panic_threshold -0.5");
  CHECK(value({.fail_open_threshold = -0.5}) == "fail_open_threshold -0.5");
  CHECK(value({.fail_open_threshold = 1.5}) == "fail_open_threshold 1.5");
  CHECK(value({.window = 24h * 365 * 100 + 1ns}) == "window 3153600000000000001 ns");
  CHECK(value({.silence = 24h * 365 * 100 + 1ns}) == "silence 3153600000000000001 ns");
  CHECK(value({.silence = 0s}) == "silence 0 ns");
  CHECK(OutlierDetection{.probes = 0}.check()->rule == pdroute::ConfigError::Rule::outlier_detection_in_range);
}

TEST_CASE("outlier detection: both ends of each range are accepted") {
  constexpr auto longest = 24h * 365 * 100;
  CHECK_FALSE(OutlierDetection{.consecutive_failures = 65'535,
                               .failure_share = 1,
                               .window = longest,
                               .silence = longest,
                               .base_ejection_time = longest,
                               .max_ejection_time = longest,
                               .max_ejected_share = 1,
                               .probes = 1023,
                               .panic_threshold = 1,
                               .fail_open_threshold = 1}
                  .check());
  CHECK_FALSE(OutlierDetection{.window = 1ns,
                               .silence = 1ns,
                               .base_ejection_time = 1ns,
                               .max_ejection_time = 1ns,
                               .max_ejected_share = 0,
                               .panic_threshold = 0,
                               .fail_open_threshold = 0}
                  .check());
}

TEST_CASE("outlier detection: each ejection phase has a name") {
  using pdroute::EjectionPhase;
  CHECK(to_string(EjectionPhase::none) == "none");
  CHECK(to_string(EjectionPhase::tripped) == "tripped");
  CHECK(to_string(EjectionPhase::ejected) == "ejected");
  CHECK(to_string(EjectionPhase::spared) == "spared");
  CHECK(to_string(EjectionPhase::probing) == "probing");
}
