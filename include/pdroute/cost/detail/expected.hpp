// SPDX-License-Identifier: Apache-2.0
// Expected, ExpectedLatency: a measured value of each candidate, with a typical value where little or nothing is known.
#pragma once

#include <cmath>
#include <cstddef>
#include <pdroute/load/estimate.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The expected value of a candidate: `weight * measured + (1 - weight) * typical`. The weight is that of the
/// candidate's `Estimate`. The typical value is the weighted mean over all candidates that are compared, or `otherwise`
/// if all are unknown. So an endpoint that is new, or has been idle for long, counts as typical: it gets neither too
/// many requests nor too few.
template <class Compared, class Measure>
class Expected {
 public:
  /// Computes the typical value. Calls `measure(candidate)`, which returns an `Estimate`, for each candidate.
  Expected(const Compared& compared, const Measure& measure, double otherwise) : measure_(measure) {
    double sum = 0;
    double weights = 0;
    for (std::size_t i = 0; i < compared.size(); ++i) {
      const Estimate estimate = measure_(compared[i]);
      sum += estimate.weight * estimate.value;
      weights += estimate.weight;
    }
    typical_ = weights > 0 ? sum / weights : otherwise;
  }
  /// The expected value of the candidate.
  [[nodiscard]] double operator()(const auto& candidate) const { return typical_ + beyond_typical(candidate); }
  /// The expected value of the candidate, less the typical one.
  [[nodiscard]] double beyond_typical(const auto& candidate) const {
    const Estimate estimate = measure_(candidate);
    return estimate.weight * (estimate.value - typical_);
  }
  /// The typical value.
  [[nodiscard]] double typical() const noexcept { return typical_; }

 private:
  Measure measure_;
  double typical_;
};

/// The expected latency of a candidate, in seconds: that of `Expected`, but exactly the typical one if it is within 5 %
/// of that; 1 if no latency is known. So neither the remains of a faded measurement nor a difference that means nothing
/// decides a comparison. Idle endpoints have the same number of requests. Without this, any difference would decide
/// between them, and an endpoint that is slower by a hair, or was slow once, would get next to nothing.
///
/// Why relative to the typical latency: which candidates count as equal does not depend on the order of comparing.
/// Why 5 %: of two endpoints, a difference of up to 10 % then leaves the tie open, and one of 20 % still decides.
template <class Compared, class Measure>
class ExpectedLatency {
 public:
  /// Computes the typical latency. Calls `measure(candidate)`, which returns an `Estimate`, for each candidate.
  ExpectedLatency(const Compared& compared, const Measure& measure) : expected_(compared, measure, 1) {}
  /// The expected latency of the candidate.
  [[nodiscard]] double operator()(const auto& candidate) const {
    const double beyond = expected_.beyond_typical(candidate);
    const double typical = expected_.typical();
    return typical + (std::abs(beyond) > 0.05 * typical ? beyond : 0);
  }

 private:
  Expected<Compared, Measure> expected_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
