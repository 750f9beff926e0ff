// SPDX-License-Identifier: Apache-2.0
// ArrivalRate: a cost that counts the requests given to a candidate within a sliding window.
#pragma once

#include <chrono>
#include <pdroute/candidates.hpp>
#include <pdroute/load/rate_window.hpp>
#include <pdroute/load/request_rate.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// A cost: arrivals, the requests given to the candidate within a sliding window.
///
/// Unit: requests per window. Reads `RequestRate` and the time. Use it to keep arrivals even while endpoints come and
/// go. It does not see the size of a request or how long the request runs.
struct ArrivalRate {
  static constexpr std::string_view name = "arrivals";  ///< its name in explanations
  /// The window. The default of 60 s is that of vLLM's production stack.
  RateWindow window = std::chrono::seconds{60};

  using Load = RequestRate;  ///< the load metric that it reads
  /// The options of the load metric.
  [[nodiscard]] RateWindow load_options() const noexcept { return window; }
  /// The cost function of one choice, see `CostFunction`.
  template <RatedCandidates Compared>
  [[nodiscard]] auto prepare(const Compared& /*compared*/, const auto& /*request*/, auto& context) const {
    return [bucket = window.bucket(context.now())](const auto& candidate) { return candidate.arrivals(bucket); };
  }
};

}  // namespace v0
}  // namespace pdroute
