// SPDX-License-Identifier: Apache-2.0
// Costs that go by how long requests took lately, and PeakEwmaPolicy.
#pragma once

#include <pdroute/load/fading_average.hpp>
#include <pdroute/load/latency.hpp>
#include <pdroute/policy/expected.hpp>
#include <pdroute/policy/lowest_cost.hpp>
#include <string_view>

namespace pdroute::inline v0 {

/// Seconds that a request took lately, see `Latency`.
struct MeanLatency {
  static constexpr std::string_view name = "latency";
  Fading fading = {};

  using Load = Latency;
  [[nodiscard]] Fading load_options() const noexcept { return fading; }
  [[nodiscard]] auto prepare(const auto& looked_at, const auto& /*request*/, auto& context) const {
    return detail::Expected(looked_at, [now = context.now()](const auto& c) { return c.latency(now); }, 1);
  }
};

/// Seconds to the first token lately, see `TimeToFirstToken`.
struct MeanTimeToFirstToken {
  static constexpr std::string_view name = "time_to_first_token";
  Fading fading = {};

  using Load = TimeToFirstToken;
  [[nodiscard]] Fading load_options() const noexcept { return fading; }
  [[nodiscard]] auto prepare(const auto& looked_at, const auto& /*request*/, auto& context) const {
    return detail::Expected(looked_at, [now = context.now()](const auto& c) { return c.time_to_first_token(now); }, 1);
  }
};

/// Seconds that a request took at its slowest lately, see `PeakLatency`, times the requests in flight with this one.
struct PeakEwma {
  static constexpr std::string_view name = "peak_ewma";
  Fading fading = {};

  using Load = PeakLatency;
  [[nodiscard]] Fading load_options() const noexcept { return fading; }
  [[nodiscard]] auto prepare(const auto& looked_at, const auto& /*request*/, auto& context) const {
    const detail::Expected expected(looked_at, [now = context.now()](const auto& c) { return c.peak_latency(now); }, 1);
    return [expected](const auto& c) { return expected(c) * (static_cast<double>(c.in_flight()) + 1); };
  }
};

/// The better of two random ones by peak EWMA: how slow lately, times how many are there already. For endpoints of
/// different or changing speed that nobody told you of.
///
/// Leases must say when they are complete: `lease.complete(clock.now())`. One that hangs completes nothing, and is seen
/// by the requests that it keeps.
///
/// Differs from Finagle, where an estimate without new samples fades to zero and the endpoint, idle for long, then gets
/// everything until its first answer: here it fades to what the other one shows. An endpoint without samples is no
/// special case of that.
/// Source: Finagle's, Linkerd's and Tower's balancers.
using PeakEwmaPolicy = LowestCostPolicy<PeakEwma, 2>;

}  // namespace pdroute::inline v0
