// SPDX-License-Identifier: Apache-2.0
#include <pdroute/outcome.hpp>

#include <set>
#include <string_view>

#include "catch2_compat.hpp"

using pdroute::FailureKind;
using pdroute::Outcomes;

TEST_CASE("failure kind: each kind has a different name") {
  const std::set<std::string_view> names{to_string(FailureKind::unreachable), to_string(FailureKind::timed_out),
                                         to_string(FailureKind::bad_response), to_string(FailureKind::overloaded)};
  CHECK(names == std::set<std::string_view>{"unreachable", "timed_out", "bad_response", "overloaded"});
}

TEST_CASE("outcomes: overloaded and cancelled requests are not failures of the endpoint") {
  CHECK(Outcomes{.completed = 9, .cancelled = 8, .overloaded = 7}.failed() == 0);
  CHECK(Outcomes{.unreachable = 1, .timed_out = 20, .bad_response = 300}.failed() == 321);
}
