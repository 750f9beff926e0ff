// SPDX-License-Identifier: Apache-2.0
#include <pdroute/clock.hpp>

#include <chrono>
#include <cstdint>
#include <pdroute/manual_clock.hpp>
#include <ratio>

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

TEST_CASE("manual clock: it stops at the ends of its type") {
  pdroute::ManualClock clock;
  clock.set(std::chrono::nanoseconds::max());
  clock.advance(std::chrono::hours{1});
  CHECK(clock.now() == pdroute::ManualClock::time_point::max());
  clock.set(std::chrono::nanoseconds::min());
  clock.advance(-std::chrono::hours{1});
  CHECK(clock.now() == pdroute::ManualClock::time_point::min());
}

TEST_CASE("a time point that nanoseconds cannot express counts as the nearest one that they can") {
  using pdroute::detail::nanoseconds_of;
  struct FileTime;  // 100 ns since 1601
  using FileTimePoint =
      std::chrono::time_point<FileTime, std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>>;
  constexpr auto in_2025 = FileTimePoint{FileTimePoint::duration{134'000'000'000'000'000}};
  STATIC_REQUIRE(nanoseconds_of(in_2025) == std::chrono::nanoseconds::max().count());
  STATIC_REQUIRE(nanoseconds_of(FileTimePoint{FileTimePoint::duration{7}}) == 700);
  using Days = std::chrono::duration<std::int32_t, std::ratio<86400>>;
  using Steady = std::chrono::steady_clock;
  STATIC_REQUIRE(nanoseconds_of(std::chrono::time_point<Steady, Days>::min()) ==
                 std::chrono::nanoseconds::min().count());
  using Unsigned = std::chrono::duration<std::uint64_t, std::milli>;
  STATIC_REQUIRE(nanoseconds_of(std::chrono::time_point<Steady, Unsigned>::max()) ==
                 std::chrono::nanoseconds::max().count());
  STATIC_REQUIRE(nanoseconds_of(std::chrono::time_point<Steady, Unsigned>{Unsigned{3}}) == 3'000'000);
}

TEST_CASE("time points in range differ by what fits into 64 bits, those outside are moved to the range's ends") {
  using pdroute::detail::in_range;
  using TimePoint = pdroute::ManualClock::time_point;
  constexpr auto latest = in_range(TimePoint::max()).time_since_epoch();
  constexpr auto earliest = in_range(TimePoint::min()).time_since_epoch();
  STATIC_REQUIRE(latest.count() == pdroute::detail::latest_time);
  STATIC_REQUIRE(earliest.count() == pdroute::detail::earliest_time);
  STATIC_REQUIRE((latest - earliest).count() == std::chrono::nanoseconds::max().count());
  STATIC_REQUIRE(latest + pdroute::detail::longest_option > latest);
  for (const auto inside : {latest, earliest, TimePoint::duration{-1}, TimePoint::duration{1}})
    CHECK(in_range(TimePoint{inside}).time_since_epoch() == inside);
}
