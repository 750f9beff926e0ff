// SPDX-License-Identifier: Apache-2.0
// Costs that read how long requests took lately: mean latency, time to first token, peak EWMA.
#pragma once

#include <pdroute/cost/detail/expected.hpp>
#include <pdroute/load/ewma_options.hpp>
#include <pdroute/load/latency.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Seconds that a request took lately, see `Latency`.
struct MeanLatency {
  static constexpr std::string_view name = "latency";
  EwmaOptions ewma = {};

  using Load = Latency;
  [[nodiscard]] EwmaOptions load_options() const noexcept { return ewma; }
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    return detail::Expected(compared, [now = context.now()](const auto& c) { return c.latency(now); }, 1);
  }
};

/// Seconds to the first token lately, see `TimeToFirstToken`.
struct MeanTimeToFirstToken {
  static constexpr std::string_view name = "time_to_first_token";
  EwmaOptions ewma = {};

  using Load = TimeToFirstToken;
  [[nodiscard]] EwmaOptions load_options() const noexcept { return ewma; }
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    return detail::Expected(compared, [now = context.now()](const auto& c) { return c.time_to_first_token(now); }, 1);
  }
};

/// Seconds that a request took at its slowest lately, see `PeakLatency`, times the requests in flight with this one.
struct PeakEwma {
  static constexpr std::string_view name = "peak_ewma";
  EwmaOptions ewma = {};

  using Load = PeakLatency;
  [[nodiscard]] EwmaOptions load_options() const noexcept { return ewma; }
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    const detail::Expected expected(compared, [now = context.now()](const auto& c) { return c.peak_latency(now); }, 1);
    return [expected](const auto& c) { return expected(c) * (static_cast<double>(c.in_flight()) + 1); };
  }
};

}  // namespace v0
}  // namespace pdroute
