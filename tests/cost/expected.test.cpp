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
