// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/consecutive_failures.hpp>
//
#include "catch2_compat.hpp"

using pdroute::detail::ConsecutiveFailures;

TEST_CASE("consecutive failures: failures without a completion in between add up") {
  ConsecutiveFailures failures;
  CHECK(failures.length(0) == 0);
  failures.failed(0);
  failures.failed(0);
  CHECK(failures.length(0) == 2);
}

TEST_CASE("consecutive failures: a completion resets the count, even before the next failure") {
  ConsecutiveFailures failures;
  failures.failed(0);
  failures.failed(0);
  CHECK(failures.length(1) == 0);
  failures.failed(1);
  CHECK(failures.length(1) == 1);
}

TEST_CASE("consecutive failures: counting starts at the first failure, earlier completions do not matter") {
  ConsecutiveFailures failures;
  failures.failed(1000);
  failures.failed(1000);
  CHECK(failures.length(1000) == 2);
}

TEST_CASE("consecutive failures: after a restart the count is zero") {
  ConsecutiveFailures failures;
  failures.failed(3);
  failures.restart();
  CHECK(failures.length(3) == 0);
  failures.failed(3);
  CHECK(failures.length(3) == 1);
}
