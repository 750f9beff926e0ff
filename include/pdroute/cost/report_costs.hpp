// SPDX-License-Identifier: Apache-2.0
// Costs that go by what engines report, and by what this router has sent them since.
#pragma once

#include <algorithm>
#include <pdroute/cost/detail/expected.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/token_count.hpp>
#include <string_view>
#include <tuple>

namespace pdroute {
inline namespace v0 {

// An endpoint that is silent, or has not reported yet, is taken for what the reports of the others say on average, plus
// what this router has there itself; if nobody reports, it is its own requests that decide.

/// Requests of all gateways that run or wait at the candidate: for pools that others use, too.
///
///     using Policy = pdroute::PowerOfTwoChoicesPolicy<pdroute::ReportedRequests>;
///     router.report<pdroute::Role::decode>("d0", {.running = 12, .waiting = 3}, measured_at);
struct ReportedRequests {
  static constexpr std::string_view name = "requests";
  EngineReports::Options reports = {};

  using Load = EngineReports;
  [[nodiscard]] Load::Options load_options() const noexcept { return reports; }
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    const auto measure = [now = context.now()](const auto& c) { return c.requests_of_others(now); };
    return [others = detail::Expected(compared, measure, 0)](const auto& c) {
      return others(c) + static_cast<double>(c.in_flight());
    };
  }
};

/// Requests that wait at the candidate.
struct ReportedQueue {
  static constexpr std::string_view name = "queue_depth";
  EngineReports::Options reports = {};

  using Load = EngineReports;
  [[nodiscard]] Load::Options load_options() const noexcept { return reports; }
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    const auto measure = [now = context.now()](const auto& c) { return c.queue_beyond_own(now); };
    return [beyond = detail::Expected(compared, measure, 0)](const auto& c) {
      return std::max(0.0, beyond(c) + static_cast<double>(c.in_flight()));
    };
  }
};

/// The share of the candidate's KV cache that is in use, from 0 to 1, or above if more has been promised than fits.
struct ReportedKvUsage {
  static constexpr std::string_view name = "kv_cache_usage";
  EngineReports::Options reports = {};

  using Load = Loads<EngineReports, KvTokens>;
  [[nodiscard]] Load::Options load_options() const noexcept { return {reports, {}}; }
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    const auto usage = [now = context.now()](const auto& c) { return c.kv_usage_beyond_own(now); };
    const auto per_token = [now = context.now()](const auto& c) { return c.kv_usage_per_token(now); };
    return [beyond = detail::Expected(compared, usage, 0), each = detail::Expected(compared, per_token, 1)](
               const auto& c) { return std::max(0.0, beyond(c) + each(c) * static_cast<double>(c.kv_tokens())); };
  }
};

}  // namespace v0
}  // namespace pdroute
