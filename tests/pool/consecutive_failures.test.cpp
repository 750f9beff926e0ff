// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/consecutive_failures.hpp>
//
#include "catch2_compat.hpp"

using pdroute::detail::ConsecutiveFailures;

TEST_CASE("failure row: counts failures between which nothing was completed") {
  ConsecutiveFailures row;
  CHECK(row.length(0) == 0);
  row.failed(0);
  row.failed(0);
  CHECK(row.length(0) == 2);
}

TEST_CASE("failure row: a completion ends it, also before any_endpoint fails again") {
  ConsecutiveFailures row;
  row.failed(0);
  row.failed(0);
  CHECK(row.length(1) == 0);
  row.failed(1);
  CHECK(row.length(1) == 1);
}

TEST_CASE("failure row: begins with the first failure, however many were completed before") {
  ConsecutiveFailures row;
  row.failed(1000);
  row.failed(1000);
  CHECK(row.length(1000) == 2);
}

TEST_CASE("failure row: can be forgotten") {
  ConsecutiveFailures row;
  row.failed(3);
  row.restart();
  CHECK(row.length(3) == 0);
  row.failed(3);
  CHECK(row.length(3) == 1);
}
