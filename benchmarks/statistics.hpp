// SPDX-License-Identifier: Apache-2.0
// The median and the spread of measurements.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bench {

/// The smallest value that at least a share `q` of the values do not exceed. Precondition: there is a value.
[[nodiscard]] inline double quantile(std::vector<double> values, double q) {
  const auto rank = std::ceil(q * static_cast<double>(values.size()));
  const auto place = values.begin() + std::max(static_cast<std::ptrdiff_t>(rank) - 1, std::ptrdiff_t{0});
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

[[nodiscard]] inline double median(const std::vector<double>& values) {
  return quantile(values, 0.5);
}

/// The interquartile range as a share of the median.
[[nodiscard]] inline double spread(const std::vector<double>& values) {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

}  // namespace bench
