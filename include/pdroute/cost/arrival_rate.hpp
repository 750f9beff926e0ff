// SPDX-License-Identifier: Apache-2.0
// ArrivalRate: a cost that counts the requests given to a candidate lately.
#pragma once

#include <chrono>
#include <pdroute/candidates.hpp>
#include <pdroute/load/rate_window.hpp>
#include <pdroute/load/request_rate.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// A cost: requests given to the candidate within `window`.
struct ArrivalRate {
  static constexpr std::string_view name = "arrivals";
  RateWindow window = std::chrono::seconds{60};

  using Load = RequestRate;
  [[nodiscard]] RateWindow load_options() const noexcept { return window; }
  template <RatedCandidates Compared>
  [[nodiscard]] auto prepare(const Compared& /*compared*/, const auto& /*request*/, auto& context) const {
    return [bucket = window.bucket(context.now())](const auto& candidate) { return candidate.arrivals(bucket); };
  }
};

}  // namespace v0
}  // namespace pdroute
