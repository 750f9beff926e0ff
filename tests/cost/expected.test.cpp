// SPDX-License-Identifier: Apache-2.0
#include <pdroute/cost/detail/expected.hpp>
//
#include <pdroute/load/estimate.hpp>
#include <vector>

#include "catch2_compat.hpp"

using pdroute::Estimate;

namespace {

const auto own_estimate = [](const Estimate& estimate) { return estimate; };
using List = std::vector<Estimate>;

auto expected(const List& list) {
  return pdroute::detail::Expected(list, own_estimate, 7);
}
auto expected_latency(const List& list) {
  return pdroute::detail::ExpectedLatency(list, own_estimate);
}

}  // namespace

TEST_CASE("expected: a fresh estimate counts as given") {
  const List list{{3, 1}, {5, 1}};
  CHECK(expected(list)(list[0]) == 3);
  CHECK(expected(list)(list[1]) == 5);
}

TEST_CASE("expected: an unknown estimate counts as the mean of the known ones") {
  const List list{{3, 1}, {0, 0}, {5, 1}, {1000, 0}};
  CHECK(expected(list)(list[1]) == 4);
  CHECK(expected(list)(list[3]) == 4);
}

TEST_CASE("expected: an old estimate counts less in the mean, and is itself drawn towards the mean") {
  const List list{{2, 1}, {10, 0.25}};
  const double typical = (2 + 0.25 * 10) / 1.25;
  CHECK(expected(list)(list[0]) == 2);
  CHECK(expected(list)(list[1]) == Approx(0.25 * 10 + 0.75 * typical));
}

TEST_CASE("expected: no estimate is known, so all get the default") {
  const List list{{0, 0}, {0, 0}};
  CHECK(expected(list)(list[0]) == 7);
}

TEST_CASE("expected: a value near the typical one counts as given") {
  const List list{{100, 1}, {101, 1}};  // reports: 100 and 101 requests are not the same
  CHECK(expected(list)(list[0]) == 100);
  CHECK(expected(list)(list[1]) == 101);
}

TEST_CASE("expected latency: two that differ by up to a tenth count as equal") {
  for (const double slower : {1.001, 1.05, 1.10}) {
    const List list{{1, 1}, {slower, 1}};
    INFO(slower);
    CHECK(expected_latency(list)(list[0]) == expected_latency(list)(list[1]));
  }
}

TEST_CASE("expected latency: two that differ by more than a tenth count as given") {
  const List list{{1, 1}, {1.12, 1}};
  CHECK(expected_latency(list)(list[0]) == Approx(1));
  CHECK(expected_latency(list)(list[1]) == Approx(1.12));
}

TEST_CASE("expected latency: within 5 % of the typical one it is exactly that, and beyond it is as given") {
  const List list{{0.9, 1}, {0.96, 1}, {1.04, 1}, {1.1, 1}};  // typical: 1
  const auto latency = expected_latency(list);
  CHECK(latency(list[0]) == Approx(0.9));
  CHECK(latency(list[1]) == latency(list[2]));
  CHECK(latency(list[1]) == Approx(1));
  CHECK(latency(list[3]) == Approx(1.1));
}

TEST_CASE("expected latency: what is left of a slow answer decides nothing once it is small") {
  const List some{{40, 0.01}, {0.2, 1}};
  CHECK(expected_latency(some)(some[0]) > expected_latency(some)(some[1]));
  const List little{{40, 0.0001}, {0.2, 1}};
  CHECK(expected_latency(little)(little[0]) == expected_latency(little)(little[1]));
}

TEST_CASE("expected latency: the typical latency of equal ones is exactly equal, also in the last digit") {
  for (const double weight : {1.0, 0.7, 0.1, 1e-3, 0.0}) {
    const List list{{0.1, 1.0 / 3}, {0.1, weight}};
    INFO(weight);
    CHECK(expected_latency(list)(list[0]) == expected_latency(list)(list[1]));
  }
}

TEST_CASE("expected latency: no latency is known, so all get 1") {
  const List list{{0, 0}, {0, 0}};
  CHECK(expected_latency(list)(list[0]) == 1);
}
