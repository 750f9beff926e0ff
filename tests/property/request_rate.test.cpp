// SPDX-License-Identifier: Apache-2.0
// Property: a RequestRate reads at least the exact rate, and at most the arrivals of one bucket more.
#include <pdroute/load/request_rate.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <pdroute/manual_clock.hpp>
#include <pdroute/random.hpp>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using TimePoint = pdroute::ManualClock::time_point;

/// Keeps every arrival.
struct Exact {
  std::deque<nanoseconds> arrivals;

  [[nodiscard]] std::int64_t between(nanoseconds from, nanoseconds to) const {
    return std::count_if(arrivals.begin(), arrivals.end(), [=](nanoseconds a) { return from <= a && a <= to; });
  }
};

}  // namespace

TEST_CASE(
    "request rate: reads at least the exact count and at most the arrivals of one bucket more, for any arrivals") {
  const auto seed = GENERATE(range(0U, 40U));
  pdroute::SplitMix64 random{seed};
  const auto pick = [&](std::uint32_t n) { return pdroute::below(random, n); };
  const nanoseconds length = std::array<nanoseconds, 5>{60s, 1s, 120ns, 6ms, 3600s}[seed % 5];
  const pdroute::RateWindow window = length;
  const nanoseconds width = window.bucket_width();
  INFO("seed " << seed << ", window " << length.count() << " ns");
  // A window that sixty divides is kept exactly. One second is not divisible and becomes 20 ns longer.
  REQUIRE(window.length() - length < 60ns);

  pdroute::RequestRate ours{window};
  Exact exact;
  nanoseconds now = (pick(2) == 0 ? -1 : 1) * nanoseconds{pick(1000000)};
  for (int step = 0; step < 1500; ++step) {
    switch (pick(8)) {
      case 0: now += length * pick(3) / 2; break;    // a pause
      case 1: now += length / (1 + pick(3)); break;  // onto or beside the window's edge
      case 2: break;                                 // a burst at one instant
      default:
        now += nanoseconds{pick(static_cast<std::uint32_t>(std::min<std::int64_t>(width.count(), 1000000000)) + 1)};
    }
    if (pick(4) != 0) {
      const auto receipt = ours.record(TimePoint{now});
      if (pick(5) == 0) {
        ours.undo(receipt);
      } else {
        exact.arrivals.push_back(now);
      }
    }
    const std::int64_t read = ours.arrivals(window.bucket(TimePoint{now}));
    const std::int64_t truth = exact.between(now - window.length(), now);
    // What the rate may still count: arrivals in the bucket in which the window begins.
    const nanoseconds edge = now - window.length();
    const std::int64_t one_bucket = exact.between(edge - width, edge);
    REQUIRE(read >= truth);
    REQUIRE(read - truth <= one_bucket);
  }
}
