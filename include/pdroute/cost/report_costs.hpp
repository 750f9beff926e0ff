// SPDX-License-Identifier: Apache-2.0
// ReportedRequests, ReportedQueue, ReportedKvUsage: costs that read engines' reports and this router's own requests.
#pragma once

#include <algorithm>
#include <pdroute/cost/detail/expected.hpp>
#include <pdroute/cost/detail/expected_requests.hpp>
#include <pdroute/load/engine_report.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/load/loads.hpp>
#include <pdroute/load/token_count.hpp>
#include <string_view>
#include <tuple>

namespace pdroute {
inline namespace v0 {

// An endpoint without a recent report counts as the mean of what the other candidates report, plus this router's own
// requests there. If no candidate has a recent report, this router's own requests decide.
//
// The limits in `EngineReports::Options` are those of the role: an endpoint that has reached one counts as full. If
// several costs of a role read reports, the options of the first one apply.

/// A cost: requests of all gateways that run or wait at the candidate. Use it for pools that several gateways share.
///
/// Unit: requests. Reads `EngineReports` (`running` and `waiting`, which may come from two sources), the requests in
/// flight and the time. Each of the two that is not known of a candidate, or too old, counts as the mean of that of the
/// others, or as zero if it is known of none of them.
///
///     using Policy = pdroute::PowerOfTwoChoicesPolicy<pdroute::ReportedRequests>;
///     router.report<pdroute::Role::decode>("d0", {.running = 12, .waiting = 3}, measured_at);
struct ReportedRequests {
  static constexpr std::string_view name = "requests";  ///< its name in explanations
  EngineReports::Options reports = {};                  ///< how long a report counts, and the limits

  /// The load metrics that it reads.
  using Load = Loads<EngineReports, ReadsReported<ReportFigure::running>, ReadsReported<ReportFigure::waiting>>;
  /// The options of the load metrics.
  [[nodiscard]] Load::Options load_options() const noexcept { return {reports, {}, {}}; }
  /// The cost function of one choice, see `CostFunction`.
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    return [others = detail::ExpectedRequests(compared, context.now())](const auto& c) {
      return others(c) + static_cast<double>(c.in_flight());
    };
  }
};

/// A cost: requests that wait at the candidate, on the assumption that requests that this router has sent since the
/// report wait, unless others of its requests have ended. Not below zero.
///
/// Unit: requests. Reads `EngineReports` (`waiting`), the requests in flight and the time. A candidate without a recent
/// report counts as the mean of the reports of the others, plus this router's requests in flight there.
struct ReportedQueue {
  static constexpr std::string_view name = "queue_depth";  ///< its name in explanations
  EngineReports::Options reports = {};                     ///< how long a report counts, and the limits

  using Load = Loads<EngineReports, ReadsReported<ReportFigure::waiting>>;  ///< the load metrics that it reads
  /// The options of the load metrics.
  [[nodiscard]] Load::Options load_options() const noexcept { return {reports, {}}; }
  /// The cost function of one choice, see `CostFunction`.
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    const auto measure = [now = context.now()](const auto& c) { return c.queue_beyond_own(now, c.in_flight()); };
    return [beyond = detail::Expected(compared, measure, 0)](const auto& c) {
      return std::max(0.0, beyond(c) + static_cast<double>(c.in_flight()));
    };
  }
};

/// A cost: the share of the candidate's KV cache that is in use, from 0 to 1, or above 1 if more is reserved than fits.
///
/// Unit: share of the cache. Reads `EngineReports` (`kv_cache`), `KvTokens` and the time. A candidate without a recent
/// report counts as the mean of the reports of the others, plus what this router's leases hold there. If no candidate
/// has a recent report, the cost is the KV tokens that this router's leases hold.
struct ReportedKvUsage {
  static constexpr std::string_view name = "kv_cache_usage";  ///< its name in explanations
  EngineReports::Options reports = {};                        ///< how long a report counts, and the limits

  /// The load metrics that it reads.
  using Load = Loads<EngineReports, ReadsReported<ReportFigure::kv_cache>, KvTokens>;
  /// The options of the load metrics.
  [[nodiscard]] Load::Options load_options() const noexcept { return {reports, {}, {}}; }
  /// The cost function of one choice, see `CostFunction`.
  [[nodiscard]] auto prepare(const auto& compared, const auto& /*request*/, auto& context) const {
    const auto usage = [now = context.now()](const auto& c) { return c.kv_usage_beyond_own(now, c.kv_tokens()); };
    const auto per_token = [now = context.now()](const auto& c) { return c.kv_usage_per_token(now); };
    return [beyond = detail::Expected(compared, usage, 0), each = detail::Expected(compared, per_token, 1)](
               const auto& c) { return std::max(0.0, beyond(c) + each(c) * static_cast<double>(c.kv_tokens())); };
  }
};

}  // namespace v0
}  // namespace pdroute
