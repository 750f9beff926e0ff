// SPDX-License-Identifier: Apache-2.0
// Expected: a measured value of each candidate, with a typical value where little or nothing is known.
#pragma once

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
  [[nodiscard]] double operator()(const auto& candidate) const {
    const Estimate estimate = measure_(candidate);
    return typical_ + estimate.weight * (estimate.value - typical_);
  }

 private:
  Measure measure_;
  double typical_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
