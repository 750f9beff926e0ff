// SPDX-License-Identifier: Apache-2.0
// EngineReport, what an engine reports of its own load; and EngineReports, the load metric that keeps the newest
// report.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/load/estimate.hpp>
#include <string>

namespace pdroute {
inline namespace v0 {

/// A load report (ORCA's term): what an engine says about its own load at one moment, taken from its metrics,
/// heartbeats or answers. A figure that the engine does not give is absent.
struct EngineReport {
  /// The engine's memory for keys and values.
  struct KvCache {
    double usage = 0;          ///< the share in use, from 0 to 1
    std::uint64_t tokens = 0;  ///< the number of tokens that fit in all, at least 1
  };
  std::optional<std::uint32_t> running = {};  ///< requests that the engine works on; used only together with `waiting`
  std::optional<std::uint32_t> waiting = {};  ///< requests that the engine has queued
  std::optional<KvCache> kv_cache = {};       ///< the engine's memory for keys and values

  /// What is wrong with the report: a `kv_cache` with a usage outside [0, 1] or with no tokens; none if nothing is
  /// wrong.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (!kv_cache || (kv_cache->usage >= 0 && kv_cache->usage <= 1 && kv_cache->tokens > 0)) return std::nullopt;
    return ConfigError{
        ConfigError::Rule::kv_cache_in_range,
        detail::number_text(kv_cache->usage).append(" of ").append(std::to_string(kv_cache->tokens)).append(" tokens")};
  }
};

/// A load metric: the newest report of an endpoint, corrected by what this router has done since.
///
/// Problem: a report is seconds old when it is read, and it stays the same for every request until the next report
/// comes. A policy that takes it at face value sends all of those requests to one endpoint.
///
/// Mechanism: the metric keeps only the requests of *other* gateways: the reported number minus this router's own
/// requests at the time the report came. The router knows its own requests exactly, from the choice to the end of the
/// lease. The costs in report_costs.hpp add them at the time of the choice. The queue and the KV cache are corrected in
/// the same way.
///
/// Errors of the correction: a request that was on its way to the engine when the engine made its report is subtracted
/// although the report does not contain it, so the requests of others are underestimated. A request that ended before
/// the report arrived is not subtracted, so it counts as another gateway's. Therefore pass reports on without delay.
///
/// A figure that a report leaves out keeps its earlier value, so figures may come from several sources. Each figure
/// becomes unknown once it is older than `Options::stale_after`.
///
/// Thread safety: readers may be called from many threads at once, also during `report`; lock-free. `report` may be
/// called by one thread at a time. A thread that reads during `report` may see the old value of one figure and the new
/// value of another, or pair the value of one report with the time of another.
class EngineReports {
 public:
  /// How long a report counts.
  struct Options {
    /// The age after which a figure is unknown; longer than zero. The default of 60 s is twice the slowest usual
    /// interval, the 30 s of vLLM's production stack.
    std::chrono::nanoseconds stale_after = std::chrono::seconds{60};

    /// What is wrong with the options; none if nothing is wrong.
    [[nodiscard]] std::optional<ConfigError> check() const {
      if (stale_after > std::chrono::nanoseconds::zero()) return std::nullopt;
      return ConfigError{ConfigError::Rule::stale_after_in_range, std::to_string(stale_after.count()) + " ns"};
    }
  };
  /// What this router's leases hold at the endpoint when its report comes.
  struct Own {
    std::uint32_t in_flight = 0;  ///< number of leases
    std::uint64_t kv_tokens = 0;  ///< KV tokens of all leases; zero in a role that does not count `KvTokens`
  };

  /// All figures are unknown at first.
  explicit EngineReports(const Options& options) noexcept : stale_after_(options.stale_after.count()) {}

  /// Takes a report that the engine made at `made_at`. A figure is ignored if a newer value of it has come before.
  /// Preconditions: `report.check()` finds nothing wrong, and `made_at` is not in the future. Called by the pool, by
  /// one thread at a time.
  template <class TimePoint>
  void report(const EngineReport& report, TimePoint made_at, const Own& own) noexcept {
    const std::int64_t moment = detail::nanoseconds_of(made_at);
    const double in_flight = own.in_flight;
    if (report.waiting) queue_.set(*report.waiting - in_flight, moment);
    if (report.running && report.waiting)
      requests_.set(std::max(0.0, 0.0 + *report.waiting + *report.running - in_flight), moment);
    if (report.kv_cache) {
      const double per_token = 1 / static_cast<double>(report.kv_cache->tokens);
      kv_usage_.set(report.kv_cache->usage - static_cast<double>(own.kv_tokens) * per_token, moment);
      kv_usage_per_token_.set(per_token, moment);
    }
  }

  /// Requests of other gateways that run or wait at the endpoint. Add this router's requests in flight to get all
  /// requests.
  template <class TimePoint>
  [[nodiscard]] Estimate requests_of_others(TimePoint now) const noexcept {
    return fresh(requests_, now);
  }
  /// Requests that waited when the report was made, less this router's requests in flight when it came. Add this
  /// router's requests in flight now to get the queue, on the assumption that all requests sent since then wait. A sum
  /// below zero means that none wait.
  template <class TimePoint>
  [[nodiscard]] Estimate queue_beyond_own(TimePoint now) const noexcept {
    return fresh(queue_, now);
  }
  /// The share of the KV cache in use when the report was made, less the share that this router's leases held when it
  /// came. Add the tokens that they hold now times `kv_usage_per_token` to get the usage now.
  template <class TimePoint>
  [[nodiscard]] Estimate kv_usage_beyond_own(TimePoint now) const noexcept {
    return fresh(kv_usage_, now);
  }
  /// The share of the KV cache that one token takes.
  template <class TimePoint>
  [[nodiscard]] Estimate kv_usage_per_token(TimePoint now) const noexcept {
    return fresh(kv_usage_per_token_, now);
  }
  /// The age of the newest figure; none if no figure has come yet. Zero if the clock has stepped back behind the
  /// report.
  template <class TimePoint>
  [[nodiscard]] std::optional<std::chrono::nanoseconds> report_age(TimePoint now) const noexcept {
    const std::int64_t newest = std::max(queue_.made_at(), kv_usage_.made_at());  // requests come with a queue
    if (newest == never) return std::nullopt;
    return std::chrono::nanoseconds{std::max<std::int64_t>(detail::nanoseconds_of(now) - newest, 0)};
  }

 private:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

  /// One figure of the reports, and when it was made. Relaxed: each word is used by itself and publishes no other data.
  class Figure {
   public:
    void set(double value, std::int64_t made_at) noexcept {
      if (made_at < made_at_.load(std::memory_order_relaxed)) return;
      value_.store(value, std::memory_order_relaxed);
      made_at_.store(made_at, std::memory_order_relaxed);
    }
    [[nodiscard]] double value() const noexcept { return value_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::int64_t made_at() const noexcept { return made_at_.load(std::memory_order_relaxed); }

   private:
    std::atomic<double> value_{0};
    std::atomic<std::int64_t> made_at_{never};
  };
  /// The figure with weight 1, or unknown if it is too old or has never come.
  template <class TimePoint>
  [[nodiscard]] Estimate fresh(const Figure& figure, TimePoint now) const noexcept {
    const std::int64_t made_at = figure.made_at();
    if (made_at == never || detail::nanoseconds_of(now) - made_at > stale_after_) return {};
    return {figure.value(), 1};
  }

  std::int64_t stale_after_;
  Figure requests_;
  Figure queue_;
  Figure kv_usage_;
  Figure kv_usage_per_token_;
};

}  // namespace v0
}  // namespace pdroute
