// SPDX-License-Identifier: Apache-2.0
#include <pdroute/clock.hpp>

#include <chrono>
#include <pdroute/manual_clock.hpp>

#include "catch2_compat.hpp"

namespace {

struct CountedClock {
  int* reads;
  [[nodiscard]] auto now() const {
    ++*reads;
    return std::chrono::steady_clock::time_point{};
  }
};
struct DoubleClock {  // its time points do not convert to nanoseconds without rounding
  [[nodiscard]] auto now() const {
    return std::chrono::time_point<std::chrono::steady_clock, std::chrono::duration<double>>{};
  }
};
struct NoTime {
  [[nodiscard]] int now() const { return 0; }
};

static_assert(pdroute::CallerClock<std::chrono::steady_clock>);
static_assert(pdroute::CallerClock<std::chrono::system_clock>);
static_assert(pdroute::CallerClock<pdroute::ManualClock>);
static_assert(pdroute::CallerClock<CountedClock>);
static_assert(!pdroute::CallerClock<NoTime>);
static_assert(!pdroute::CallerClock<DoubleClock>);
static_assert(!pdroute::CallerClock<int>);

}  // namespace

TEST_CASE("manual clock: after advance and set, its copies show the same time") {
  using namespace std::chrono_literals;
  pdroute::ManualClock clock;
  const pdroute::ManualClock copy = clock;
  CHECK(copy.now().time_since_epoch() == 0ns);
  clock.advance(3s);
  CHECK(copy.now().time_since_epoch() == 3s);
  clock.set(1s);
  CHECK(copy.now().time_since_epoch() == 1s);
}
