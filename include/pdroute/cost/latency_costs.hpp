// SPDX-License-Identifier: Apache-2.0
// MeanLatency, MeanTimeToFirstToken, PeakEwma: costs that read how long recent requests took.
#pragma once

#include <pdroute/cost/detail/expected.hpp>
#include <pdroute/load/ewma_options.hpp>
#include <pdroute/load/latency.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// A cost: mean latency of recent requests at the candidate, from the choice to the completion of the lease.
///
/// Unit: seconds. Reads `Latency` and the time. An unknown latency counts as the mean of the other candidates that are
/// compared, or as 1 if all are unknown. A latency within 5 % of that mean counts as the mean. Leases must be told the
/// time when they are complete.
struct MeanLatency {
  static constexpr std::string_view name = "latency";  ///< its name in explanations
  EwmaOptions ewma = {};                               ///< how fast old samples fade

  using Load = Latency;  ///< the load metric that it reads
  /// The options of the load metric.
  [[nodiscard]] EwmaOptions load_options() const noexcept { return ewma; }
  /// The cost function of one choice, see `CostFunction`.
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    return detail::ExpectedLatency(compared, [now = context.now()](const auto& c) { return c.latency(now); });
  }
};

/// A cost: mean time to first token of recent requests at the candidate, from the choice.
///
/// Unit: seconds. Reads `TimeToFirstToken` and the time. An unknown time counts as the mean of the other candidates
/// that are compared, or as 1 if all are unknown. A time within 5 % of that mean counts as the mean. Leases must be
/// told the time of the first token and of their completion.
struct MeanTimeToFirstToken {
  static constexpr std::string_view name = "time_to_first_token";  ///< its name in explanations
  EwmaOptions ewma = {};                                           ///< how fast old samples fade

  using Load = TimeToFirstToken;  ///< the load metric that it reads
  /// The options of the load metric.
  [[nodiscard]] EwmaOptions load_options() const noexcept { return ewma; }
  /// The cost function of one choice, see `CostFunction`.
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    return detail::ExpectedLatency(compared,
                                   [now = context.now()](const auto& c) { return c.time_to_first_token(now); });
  }
};

/// A cost: peak EWMA of latency times outstanding requests, `latency * (requests in flight + 1)`. The 1 is the request
/// that is being routed.
///
/// Unit: seconds times requests. Reads `PeakLatency`, the requests in flight and the time. An unknown latency counts as
/// the mean of the other candidates that are compared, or as 1 if all are unknown. A latency within 5 % of that mean
/// counts as the mean. Leases must be told the time when they are complete.
/// Source: peak EWMA, as in Finagle, Linkerd and Tower.
struct PeakEwma {
  static constexpr std::string_view name = "peak_ewma";  ///< its name in explanations
  EwmaOptions ewma = {};                                 ///< how fast old samples fade

  using Load = PeakLatency;  ///< the load metric that it reads
  /// The options of the load metric.
  [[nodiscard]] EwmaOptions load_options() const noexcept { return ewma; }
  /// The cost function of one choice, see `CostFunction`.
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    const detail::ExpectedLatency expected(compared,
                                           [now = context.now()](const auto& c) { return c.peak_latency(now); });
    return [expected](const auto& c) { return expected(c) * (static_cast<double>(c.in_flight()) + 1); };
  }
};

}  // namespace v0
}  // namespace pdroute
