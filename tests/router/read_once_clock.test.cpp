// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/detail/read_once_clock.hpp>

#include <chrono>

#include "catch2_compat.hpp"

namespace {

struct CountedClock {
  int* reads;
  [[nodiscard]] std::chrono::steady_clock::time_point now() const {
    ++*reads;
    return {};
  }
};

}  // namespace

TEST_CASE("read-once clock: the first now() reads the caller's clock, later ones do not") {
  int reads = 0;
  const CountedClock clock{&reads};
  pdroute::detail::ReadOnceClock once{clock};
  CHECK(reads == 0);
  static_cast<void>(once.now());
  static_cast<void>(once.now());
  CHECK(reads == 1);
}
