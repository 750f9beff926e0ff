// SPDX-License-Identifier: Apache-2.0
// What endpoints get under policies that measure latency, over minutes of virtual time: one slow answer is forgiven at
// any load, small differences leave the tie open, and a clearly slower endpoint gets clearly less.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <pdroute/pdroute.hpp>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::ManualClock;
using pdroute::PeakEwmaPolicy;
using std::chrono::nanoseconds;
using MeanOfTwo = pdroute::LowestCostPolicy<pdroute::MeanLatency, 2>;
using MeanOfAll = pdroute::LowestCostPolicy<pdroute::MeanLatency>;

constexpr std::size_t count = 8;

nanoseconds seconds(double s) {
  return nanoseconds{static_cast<std::int64_t>(s * 1e9)};
}

/// Eight decode endpoints, and requests that arrive at random times.
template <class Policy>
class Pool {
 public:
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Policy, Engine, ManualClock>;

  /// `service` is the time that d0 takes, and the time that each other endpoint takes.
  Pool(std::pair<nanoseconds, nanoseconds> service, std::uint64_t seed)
      : router_(
            Router::create({.prefill = engines("p", 1), .decode = engines("d", count), .clock = clock_, .seed = seed})
                .value()),
        dispatcher_(router_.dispatcher()),
        service_(service),
        arrivals_(seed) {}

  /// One request of d0 takes this long; it is complete when this returns.
  void one_answer_of_d0(nanoseconds takes) {
    const std::string_view d0[] = {"d0"};
    auto lease = dispatcher_.decode({}, {.allowed = d0});
    clock_.advance(takes);
    lease->complete(clock_.now());
  }

  /// Serves `per_second` requests a second for `time`. Returns d0's share of the requests, in units of a fair share.
  double serve(double per_second, nanoseconds time) {
    std::exponential_distribution<double> gap{per_second};
    const auto end = clock_.now() + time;
    double all = 0;
    double on_d0 = 0;
    for (auto next = clock_.now() + seconds(gap(arrivals_)); next < end; next += seconds(gap(arrivals_))) {
      complete_until(next);
      auto lease = dispatcher_.decode();
      REQUIRE(lease);
      const bool is_d0 = lease->id() == "d0";
      all += 1;
      on_d0 += is_d0 ? 1 : 0;
      running_.emplace(next + (is_d0 ? service_.first : service_.second), std::move(*lease));
    }
    complete_until(end);
    return all > 0 ? on_d0 / all * count : 0;
  }

  ManualClock& clock() { return clock_; }

 private:
  void complete_until(ManualClock::time_point time) {
    while (!running_.empty() && running_.begin()->first <= time) {
      clock_.set(running_.begin()->first.time_since_epoch());
      running_.begin()->second.complete(clock_.now());
      running_.erase(running_.begin());
    }
    clock_.set(time.time_since_epoch());
  }

  ManualClock clock_;
  Router router_;
  typename Router::Dispatcher dispatcher_;
  std::pair<nanoseconds, nanoseconds> service_;
  std::mt19937_64 arrivals_;
  std::multimap<ManualClock::time_point, typename Router::DecodeLease> running_;
};

/// d0's share from the second to the sixth minute after its only slow answer, the mean of several runs.
template <class Policy>
double share_after(nanoseconds slow_answer, double per_second) {
  // With few requests, chance makes the shares differ: 1200 requests, so the standard deviation is 8 % of a share.
  const int runs = std::max(1, static_cast<int>(4 / per_second));
  double sum = 0;
  for (int run = 0; run < runs; ++run) {
    Pool<Policy> pool({200ms, 200ms}, static_cast<std::uint64_t>(run));
    pool.one_answer_of_d0(slow_answer);
    pool.serve(per_second, 1min);
    sum += pool.serve(per_second, 5min);
  }
  return sum / runs;
}

template <class Policy>
void check_one_slow_answer() {
  for (const double per_second : {0.5, 2.0, 8.0, 40.0}) {
    for (const auto slow_answer : {1s, 5s, 40s, 600s}) {
      INFO(per_second << " requests a second, one answer of " << slow_answer.count() << " s");
      const double percent = share_after<Policy>(slow_answer, per_second) * 100 / count;
      CHECK(percent > 8);
      CHECK(percent < 16);
    }
  }
}

}  // namespace

TEST_CASE("latency shares: one slow answer is forgiven a minute later at any load (peak EWMA)") {
  check_one_slow_answer<PeakEwmaPolicy>();
}
TEST_CASE("latency shares: one slow answer is forgiven a minute later at any load (mean latency of two)") {
  check_one_slow_answer<MeanOfTwo>();
}
TEST_CASE("latency shares: one slow answer is forgiven a minute later at any load (mean latency of all)") {
  check_one_slow_answer<MeanOfAll>();
}

TEST_CASE("latency shares: one slow answer counts at once") {
  Pool<PeakEwmaPolicy> pool({200ms, 200ms}, 1);
  pool.serve(40, 1min);
  pool.one_answer_of_d0(5s);
  CHECK(pool.serve(40, 10s) < 0.1);
}

TEST_CASE("latency shares: an endpoint 5 % slower gets nearly its share, also if the pool is nearly idle") {
  for (const double in_flight : {0.01, 0.1, 0.5, 2.0}) {  // on each endpoint
    Pool<PeakEwmaPolicy> pool({1050ms, 1s}, 1);
    pool.serve(in_flight * count, 1min);
    INFO(in_flight << " requests in flight");
    // 16,000 requests: the standard deviation is 2 % of a share.
    CHECK(pool.serve(in_flight * count, seconds(2000 / in_flight)) == Approx(1).margin(0.08));
  }
}

TEST_CASE("latency shares: a clearly slower endpoint gets clearly less under load") {
  for (const auto& [slower, most] : {std::pair{1500ms, 0.7}, std::pair{2000ms, 0.5}, std::pair{4000ms, 0.2}}) {
    for (const double in_flight : {0.5, 1.0, 2.0, 4.0}) {
      Pool<PeakEwmaPolicy> pool({slower, 1s}, 1);
      pool.serve(in_flight * count, 1min);
      INFO(slower.count() << " ms, " << in_flight << " requests in flight");
      const double share = pool.serve(in_flight * count, seconds(1000 / in_flight));
      CHECK(share < most);
      CHECK(share > 0.03);
    }
  }
}

TEST_CASE("latency shares: the clock is an hour ahead for one request, a slow endpoint is seen as before") {
  Pool<MeanOfTwo> pool({5s, 200ms}, 1);
  pool.clock().advance(1h);
  pool.one_answer_of_d0(200ms);
  pool.clock().set(nanoseconds{1s});
  CHECK(pool.serve(40, 5min) < 0.2);
}
