// SPDX-License-Identifier: Apache-2.0
// What to think of endpoints of which little or nothing is known.
#pragma once

#include <cstddef>
#include <pdroute/load/estimate.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What an endpoint is taken for: what was measured of it, as far as that still says something, and for the rest what
/// the others show. So one that is new or has long been idle is a typical one: neither flooded nor starved. Where
/// nothing is known of any_endpoint, all are `otherwise`.
template <class Compared, class Measure>
class Expected {
 public:
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
