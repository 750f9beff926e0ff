// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/latency.hpp>
//
#include <chrono>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/manual_clock.hpp>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::Latency;
using pdroute::PeakLatency;
using pdroute::TimeToFirstToken;

namespace {

using TimePoint = pdroute::ManualClock::time_point;

template <class Metric>
void lease(Metric& metric, TimePoint begin, TimePoint first_token, TimePoint end) {
  typename Metric::Held held{};
  metric.begin(held, begin);
  metric.first_token(held, first_token);
  metric.complete(held, end);
}

constexpr TimePoint at(std::chrono::nanoseconds since) {
  return TimePoint{since};
}

}  // namespace

static_assert(pdroute::TimesLeases<Latency> && pdroute::TimesLeases<PeakLatency>);
static_assert(pdroute::TimesLeases<TimeToFirstToken> && !pdroute::HoldsDemand<TimeToFirstToken>);

TEST_CASE("latency: measured from the choice to the end of the lease") {
  Latency latency{{}};
  CHECK(latency.latency(at(0s)).weight == 0);
  lease(latency, at(1s), at(2s), at(4s));
  CHECK(latency.latency(at(4s)).value == Approx(3));
  lease(latency, at(13s), at(13s), at(14s));  // ten seconds later
  CHECK(latency.latency(at(14s)).value == Approx(1 + 2 * 0.36788).epsilon(0.002));
}

TEST_CASE("latency: a higher sample soon after another one moves the average little") {
  Latency latency{{}};
  TimeToFirstToken first{{}};
  for (const auto end : {at(1s), at(9s)}) {
    lease(latency, end - (end == at(1s) ? 1s : 8s), end, end);
    lease(first, end - (end == at(1s) ? 1s : 8s), end, end);
  }
  CHECK(latency.latency(at(9s)).value == Approx(8 - 7 * 0.4493).epsilon(0.002));  // 8 s are 0.8 decays
  CHECK(first.time_to_first_token(at(9s)).value == Approx(8 - 7 * 0.4493).epsilon(0.002));
}

TEST_CASE("peak latency: a higher sample replaces the average at once") {
  PeakLatency peak{{}};
  lease(peak, at(0s), at(0s), at(1s));
  lease(peak, at(0s), at(0s), at(1s) + 30ms);
  CHECK(peak.peak_latency(at(2s)).value == Approx(1.03));
}

TEST_CASE("time to first token: measured to the first token, not to the end") {
  TimeToFirstToken first{{}};
  lease(first, at(1s), at(2s), at(60s));
  CHECK(first.time_to_first_token(at(60s)).value == Approx(1));
  CHECK(first.time_to_first_token(at(60s)).weight < 0.01);  // the sample is old
}

TEST_CASE("time to first token: told twice, the first time counts and later ones do not") {
  TimeToFirstToken first{{}};
  TimeToFirstToken::Held held{};
  first.begin(held, at(1s));
  first.first_token(held, at(3s));
  first.first_token(held, at(8s));
  first.first_token(held, at(100s));
  CHECK(first.time_to_first_token(at(3s)) == pdroute::Estimate{2, 1});
  CHECK(first.time_to_first_token(at(8s)).weight < 1);  // no newer sample
}

TEST_CASE("time to first token: told twice while the clock is before its epoch, the first time counts") {
  TimeToFirstToken first{{}};
  TimeToFirstToken::Held held{};
  first.begin(held, at(-9s));
  first.first_token(held, at(-7s));
  first.first_token(held, at(-5s));
  CHECK(first.time_to_first_token(at(-7s)) == pdroute::Estimate{2, 1});
}

TEST_CASE("latency: the clock has stepped back behind the beginning of the lease, no sample") {
  Latency latency{{}};
  lease(latency, at(100s), at(98s), at(99s));
  CHECK(latency.latency(at(99s)).weight == 0);
}

TEST_CASE("latency: a lease from the first to the last moment of the clock, or back, gives no sample") {
  const auto first = at(std::chrono::nanoseconds::min());
  const auto last = at(std::chrono::nanoseconds::max());
  PeakLatency peak{{}};
  lease(peak, first, last, last);  // more than 292 years, which no signed number of nanoseconds can express
  CHECK(peak.peak_latency(last).weight == 0);
  lease(peak, last, first, first);
  CHECK(peak.peak_latency(first).weight == 0);
  lease(peak, last - 5s, last, last);
  CHECK(peak.peak_latency(last).value == Approx(5));
}

TEST_CASE("latency: several timed metrics in one list, each is updated") {
  using All = pdroute::Loads<Latency, PeakLatency, pdroute::NoLoad, TimeToFirstToken>;
  static_assert(pdroute::TimesLeases<All> && !pdroute::HoldsDemand<All>);
  All all{All::Options{}};
  lease(all, at(0s), at(1s), at(3s));
  CHECK(all.latency(at(3s)).value == Approx(3));
  CHECK(all.peak_latency(at(3s)).value == Approx(3));
  CHECK(all.time_to_first_token(at(1s)).value == Approx(1));
}
