// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/ejection.hpp>
//
#include <chrono>
#include <cmath>
#include <limits>
#include <string>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::Ejection;

TEST_CASE("ejection: the time out doubles up to the longest") {
  const Ejection rules{.first = 10s, .longest = 60s};
  CHECK(rules.time_out(1) == 10s);
  CHECK(rules.time_out(2) == 20s);
  CHECK(rules.time_out(3) == 40s);
  CHECK(rules.time_out(4) == 60s);
  CHECK(rules.time_out(4'000'000'000) == 60s);
  const Ejection centuries{.first = 1ns, .longest = 24h * 365 * 100};
  CHECK(centuries.time_out(1000) == centuries.longest);  // no overflow on the way
}

TEST_CASE("ejection: a share of the members, at least one of two, nobody of one") {
  const Ejection rules;
  CHECK(rules.most_of(0) == 0);
  CHECK(rules.most_of(1) == 0);
  CHECK(rules.most_of(2) == 1);
  CHECK(rules.most_of(3) == 1);
  CHECK(rules.most_of(9) == 4);
  CHECK(Ejection{.most_share = 0.1}.most_of(3) == 1);
  CHECK(Ejection{.most_share = 0.1}.most_of(30) == 3);
  CHECK(Ejection{.most_share = 0.29}.most_of(100) == 29);  // though 0.29 * 100 is a little less
}

TEST_CASE("ejection: panic below a share") {
  const Ejection rules;
  CHECK_FALSE(rules.panics(4, 8));
  CHECK(rules.panics(3, 8));
  CHECK_FALSE(rules.panics(0, 0));
  CHECK_FALSE(Ejection{.panic_below = 0.55}.panics(55, 100));  // though 0.55 * 100 is a little more
  CHECK_FALSE(Ejection{.panic_below = 0}.panics(0, 8));
}

TEST_CASE("ejection: rules that cannot be are refused, and name what is wrong") {
  const auto value = [](const Ejection& rules) { return rules.check() ? rules.check()->value : "accepted"; };
  CHECK(value({}) == "accepted");
  CHECK(value({.failures_in_a_row = 0}) == "accepted");  // off
  CHECK(value({.probes = 0}) == "probes 0");
  CHECK(value({.probes = 1024}) == "probes 1024");
  CHECK(value({.first = 0s}) == "first 0 ns");
  CHECK(value({.first = -1ns}) == "first -1 ns");
  CHECK(value({.first = 10s, .longest = 9s}) == "first 10000000000 ns > longest 9000000000 ns");
  CHECK(value({.longest = 24h * 365 * 100 + 1ns}) == "longest 3153600000000000001 ns");
  CHECK(value({.most_share = 1.5}) == "most_share 1.5");
  CHECK(value({.most_share = std::nan("")}).find("most_share") == 0);
  CHECK(value({.panic_below = -0.5}) == "panic_below -0.5");
  CHECK(Ejection{.probes = 0}.check()->rule == pdroute::ConfigError::Rule::ejection_in_range);
}

TEST_CASE("ejection: phases have names") {
  using pdroute::EjectionPhase;
  CHECK(to_string(EjectionPhase::none) == "none");
  CHECK(to_string(EjectionPhase::ejected) == "ejected");
  CHECK(to_string(EjectionPhase::spared) == "spared");
  CHECK(to_string(EjectionPhase::probing) == "probing");
}
