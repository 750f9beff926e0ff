// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/outcome_counts.hpp>

#include "catch2_compat.hpp"

using pdroute::FailureKind;
using pdroute::Outcomes;
using pdroute::detail::OutcomeCounts;

TEST_CASE("each kind of end raises its own count and no other") {
  OutcomeCounts counts;
  CHECK(counts.so_far() == Outcomes{});
  counts.cancelled();
  CHECK(counts.so_far() == Outcomes{.cancelled = 1});
  counts.failed(FailureKind::unreachable);
  CHECK(counts.so_far() == Outcomes{.cancelled = 1, .unreachable = 1});
  counts.failed(FailureKind::timed_out);
  CHECK(counts.so_far() == Outcomes{.cancelled = 1, .unreachable = 1, .timed_out = 1});
  counts.failed(FailureKind::bad_response);
  CHECK(counts.so_far() == Outcomes{.cancelled = 1, .unreachable = 1, .timed_out = 1, .bad_response = 1});
  counts.failed(FailureKind::overloaded);
  CHECK(counts.so_far() ==
        Outcomes{.cancelled = 1, .unreachable = 1, .timed_out = 1, .bad_response = 1, .overloaded = 1});
  CHECK(counts.undone_so_far() == 0);
}

TEST_CASE("an undone reservation is no outcome and counts apart") {
  OutcomeCounts counts;
  counts.undone();
  counts.undone();
  CHECK(counts.so_far() == Outcomes{});
  CHECK(counts.undone_so_far() == 2);
}

TEST_CASE("an unknown failure kind counts as bad_response") {
  pdroute::detail::OutcomeCounts counts;
  counts.failed(static_cast<pdroute::FailureKind>(7));
  CHECK(counts.so_far() == pdroute::Outcomes{.bad_response = 1});
}
