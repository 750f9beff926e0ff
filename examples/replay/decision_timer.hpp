// SPDX-License-Identifier: Apache-2.0
// Measures the duration of a call, without the duration of the measurement.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "outcome.hpp"

namespace replay {

/// Times calls. The cost of reading the clock is measured at the end and subtracted.
class DecisionTimer {
 public:
  explicit DecisionTimer(std::size_t expected) { samples_.reserve(expected); }

  template <class Decide>
  auto time(const Decide& decide) {
    const auto begin = Clock::now();
    auto decision = decide();
    const auto end = Clock::now();
    samples_.push_back(end - begin);
    return decision;
  }

  [[nodiscard]] DecisionCost cost() const {
    constexpr int enough = 10'001;  // enough for a stable median; takes under a millisecond
    DecisionTimer empty{enough};
    for (int i = 0; i < enough; ++i) empty.time([i] { return i; });
    const auto timer = median(std::move(empty.samples_));
    return {.median = std::max(median(samples_) - timer, std::chrono::nanoseconds{0}), .timer = timer};
  }

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] static std::chrono::nanoseconds median(std::vector<std::chrono::nanoseconds> samples) {
    if (samples.empty()) return {};
    const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
    std::nth_element(samples.begin(), middle, samples.end());
    return *middle;
  }

  std::vector<std::chrono::nanoseconds> samples_;
};

}  // namespace replay
