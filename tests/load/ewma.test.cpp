// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/detail/ewma.hpp>
//
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::EwmaOptions;
using pdroute::detail::Ewma;
using Rises = Ewma::Rises;

namespace {

constexpr std::int64_t second = 1'000'000'000;

}  // namespace

TEST_CASE("EWMA: unknown before the first sample") {
  const Ewma average{EwmaOptions{}};
  CHECK(average.at(0).weight == 0);
  CHECK(average.at(100 * second).weight == 0);
}

TEST_CASE("EWMA: a sample has weight 1 at first, 1/e after the decay, and 0 long after") {
  Ewma average{EwmaOptions{.decay = 10s}};
  average.add(2.5, 7 * second, Rises::slowly);
  CHECK(average.at(7 * second).value == Approx(2.5));
  CHECK(average.at(7 * second).weight == 1);
  CHECK(average.at(17 * second).weight == Approx(std::exp(-1.0)).epsilon(0.002));
  CHECK(average.at(17 * second).value == Approx(2.5));
  CHECK(average.at(700 * second).weight == 0);
}

TEST_CASE("EWMA: an average without samples for 4.2 decays is forgotten, and the next sample begins a new one") {
  Ewma average{EwmaOptions{.decay = 10s}};
  average.add(600, 0, Rises::at_once);
  CHECK(average.at(41 * second).weight == Approx(std::exp(-4.1)).epsilon(0.002));
  CHECK(average.at(42 * second).weight == 0);
  average.add(0.25, 42 * second, Rises::at_once);
  CHECK(average.at(42 * second) == pdroute::Estimate{0.25, 1});
}

TEST_CASE("EWMA: a sample replaces the part of the average that has faded") {
  Ewma average{EwmaOptions{.decay = 10s}};
  average.add(4, 0, Rises::slowly);
  average.add(1, 10 * second, Rises::slowly);
  CHECK(average.at(10 * second).value == Approx(1 + 3 * std::exp(-1.0)).epsilon(0.002));
}

TEST_CASE("EWMA: many samples at one time count no more than one") {
  Ewma average{EwmaOptions{.decay = 10s}};
  average.add(1, 0, Rises::slowly);
  for (int i = 0; i < 1000; ++i) average.add(9, 0, Rises::slowly);
  CHECK(average.at(0).value == Approx(1));
  average.add(9, 1 * second, Rises::slowly);
  for (int i = 0; i < 1000; ++i) average.add(9, 1 * second, Rises::slowly);
  CHECK(average.at(second).value == Approx(9 - 8 * std::exp(-0.1)).epsilon(0.002));
}

TEST_CASE("EWMA: if it rises at once, a peak counts at once and is forgiven slowly") {
  Ewma average{EwmaOptions{.decay = 10s}};
  average.add(1, 0, Rises::at_once);
  average.add(30, 0, Rises::at_once);
  CHECK(average.at(0).value == Approx(30));
  average.add(1, 1 * second, Rises::at_once);
  CHECK(average.at(second).value == Approx(1 + 29 * std::exp(-0.1)).epsilon(0.002));
}

TEST_CASE("EWMA: a sample of zero counts, a negative sample is ignored") {
  Ewma average{EwmaOptions{}};
  average.add(0, 0, Rises::slowly);
  CHECK(average.at(0).weight == 1);
  CHECK(average.at(0).value == Approx(0).margin(1e-30));
  Ewma none{EwmaOptions{}};
  none.add(-5, 100 * second, Rises::slowly);  // the clock has stepped back
  CHECK(none.at(100 * second).weight == 0);
}

TEST_CASE("EWMA: idle for many days, the next sample replaces the old value") {
  constexpr std::int64_t day = 86'400 * second;
  for (const std::int64_t days : {100, 200, 250, 300}) {  // half the range of a 32-bit tick count is 208 days
    Ewma average{EwmaOptions{.decay = 10s}};
    average.add(60, 0, Rises::at_once);
    average.add(0.1, days * day, Rises::at_once);
    INFO(days);
    CHECK(average.at(days * day).value == Approx(0.1));
    CHECK(average.at(days * day).weight == 1);
  }
}

TEST_CASE("EWMA: the clock steps back by less than half a decay, nothing fades until it has caught up") {
  Ewma average{EwmaOptions{.decay = 10s}};
  average.add(2, 100 * second, Rises::slowly);
  CHECK(average.at(95 * second).weight == 1);
  average.add(8, 95 * second, Rises::slowly);
  CHECK(average.at(100 * second).value == Approx(2));
  CHECK(average.at(110 * second).weight == Approx(std::exp(-1.0)).epsilon(0.002));
}

TEST_CASE("EWMA: the clock steps back by a decay, which is the farthest that keeps the average") {
  Ewma average{EwmaOptions{.decay = std::chrono::nanoseconds{1024}}};  // so that a tick is a nanosecond
  average.add(1, 10'000, Rises::slowly);
  CHECK(average.at(10'000 - 1024).weight == 1);
  CHECK(average.at(10'000 - 1025).weight == 0);
}

TEST_CASE("EWMA: two threads with clocks 20 ms apart, samples in turn count no time twice") {
  Ewma average{EwmaOptions{.decay = 10s}};
  average.add(1, 0, Rises::slowly);
  const std::int64_t behind = second / 50;
  for (std::int64_t now = 0; now <= second; now += second / 1000) {  // 1000 steps back of 20 ms are two decays
    average.add(9, now, Rises::slowly);
    average.add(9, now - behind, Rises::slowly);
  }
  CHECK(average.at(second).value == Approx(9 - 8 * std::exp(-0.1)).epsilon(0.002));
}

TEST_CASE("EWMA: the clock is ahead for one sample and steps back, the sample is forgotten and not kept until then") {
  constexpr std::int64_t hour = 3600 * second;
  for (const std::int64_t ahead : {10 * second, hour, 1000 * hour}) {
    INFO(ahead / second << " s ahead");
    for (const Rises rises : {Rises::slowly, Rises::at_once}) {
      Ewma average{EwmaOptions{.decay = 10s}};
      average.add(1, 0, rises);
      average.add(3600, ahead, rises);
      CHECK(average.at(0).weight == 0);  // unknown: the next samples say what is true
      average.add(2, 1 * second, rises);
      CHECK(average.at(1 * second) == pdroute::Estimate{2, 1});
      average.add(1, 11 * second, rises);
      CHECK(average.at(11 * second).value == Approx(1 + std::exp(-1.0)).epsilon(0.002));
      CHECK(average.at(21 * second).weight == Approx(std::exp(-1.0)).epsilon(0.002));
    }
  }
}

TEST_CASE("EWMA: samples at the first and the last moment of the clock") {
  constexpr std::int64_t first = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max();
  for (const auto& [before, after] : {std::pair{first, last}, std::pair{last, first}, std::pair{last, last}}) {
    Ewma average{EwmaOptions{.decay = 24h * 365 * 10}};  // long, so that the 32-bit number of ticks does not wrap
    average.add(1, before, Rises::slowly);
    CHECK(average.at(before) == pdroute::Estimate{1, 1});
    CHECK(average.at(after).weight == (before == after ? 1 : 0));
    average.add(7, after, Rises::slowly);
    CHECK(average.at(after) == pdroute::Estimate{before == after ? 1.0 : 7.0, 1});
  }
}

TEST_CASE("EWMA: decays from a nanosecond to a hundred years work, also before the epoch") {
  for (const std::chrono::nanoseconds decay : std::vector<std::chrono::nanoseconds>{1ns, 1us, 24h * 365 * 100}) {
    INFO("decay " << decay.count() << " ns");
    CHECK_FALSE(EwmaOptions{.decay = decay}.check());
    Ewma average{EwmaOptions{.decay = decay}};
    average.add(3, -2 * decay.count(), Rises::slowly);
    CHECK(average.at(-2 * decay.count()).weight == 1);
    CHECK(average.at(-decay.count()).weight == Approx(std::exp(-1.0)).epsilon(0.002));
  }
}

TEST_CASE("EWMA: a decay out of range is refused, and the error names it") {
  for (const std::chrono::nanoseconds decay : std::vector<std::chrono::nanoseconds>{0ns, -1s, 24h * 365 * 100 + 1ns}) {
    const auto error = EwmaOptions{.decay = decay}.check();
    REQUIRE(error);
    CHECK(error->rule == pdroute::ConfigError::Rule::decay_in_range);
    CHECK(error->value == std::to_string(decay.count()) + " ns");
  }
}

TEST_CASE("EWMA: weight_after(x) equals 2^-x below 6, and 0 from there on") {
  for (double x = 0; x < 6; x += 0.03125 / 3) {
    CHECK(pdroute::detail::weight_after(x) == Approx(std::exp2(-x)).epsilon(4e-6));
  }
  for (const double exact : {0., 1., 2., 5.}) CHECK(pdroute::detail::weight_after(exact) == std::exp2(-exact));
  CHECK(pdroute::detail::weight_after(6) == 0);
  CHECK(pdroute::detail::weight_after(1e300) == 0);
}

TEST_CASE("EWMA: samples from many threads, the average stays between the lowest and the highest") {
  Ewma average{EwmaOptions{.decay = 1ms}};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::int64_t i = 0; i < 20'000; ++i)
        average.add(1 + t, i * 1000, t % 2 == 0 ? Rises::slowly : Rises::at_once);
    });
  }
  for (auto& thread : threads) thread.join();
  const auto estimate = average.at(20'000'000);
  CHECK(estimate.value >= 1);
  CHECK(estimate.value <= 4);
}
