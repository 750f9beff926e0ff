// SPDX-License-Identifier: Apache-2.0
// What engines say of themselves, put together with what the router knows since.
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

/// What an engine says at one moment, from its metrics, heartbeats or answers. What it does not say is left out.
struct EngineReport {
  /// Space for keys and values.
  struct KvCache {
    double usage = 0;          ///< the share in use, from 0 to 1
    std::uint64_t tokens = 0;  ///< how many fit in all
  };
  std::optional<std::uint32_t> running = {};  ///< requests that it works on
  std::optional<std::uint32_t> waiting = {};  ///< requests that it has queued
  std::optional<KvCache> kv_cache = {};

  [[nodiscard]] std::optional<ConfigError> check() const {
    if (!kv_cache || (kv_cache->usage >= 0 && kv_cache->usage <= 1 && kv_cache->tokens > 0)) return std::nullopt;
    return ConfigError{
        ConfigError::Rule::kv_cache_in_range,
        detail::number_text(kv_cache->usage).append(" of ").append(std::to_string(kv_cache->tokens)).append(" tokens")};
  }
};

/// A load metric: the newest report of an endpoint, corrected by what this router has done since.
///
/// Reports are seconds old when they are read, and the same for every request in between: a rule that believes them
/// sends all of those to one endpoint. So of a report only the requests of *others* are kept: those it tells of less
/// this router's own at the time. The router's own are known exactly, from the choice to the end of the lease, and
/// added to them when asked. In the same way the queue and the KV cache grow and shrink with this router's leases.
///
/// Requests on their way while the engine made its report count as its own: the others' are underestimated by those.
/// And those that have ended before the report came here count as the others'. So pass reports on without delay.
///
/// What a report leaves out stays as an earlier one has said it, so that figures may come from several sources; each is
/// unknown once it is older than `stale_after`.
///
/// Thread safety: all members may be called from many threads at once; lock-free. Whoever reads while a report comes
/// may see one value of the old and another of the new one.
class EngineReports {
 public:
  struct Options {
    /// 60 s: twice the slowest usual interval, vLLM's production stack's 30 s.
    std::chrono::nanoseconds stale_after = std::chrono::seconds{60};

    [[nodiscard]] std::optional<ConfigError> check() const {
      if (stale_after > std::chrono::nanoseconds::zero()) return std::nullopt;
      return ConfigError{ConfigError::Rule::stale_after_in_range, std::to_string(stale_after.count()) + " ns"};
    }
  };
  /// What this router's leases hold at the endpoint when its report comes.
  struct Own {
    std::uint32_t in_flight = 0;
    std::uint64_t kv_tokens = 0;
  };

  explicit EngineReports(const Options& options) noexcept : stale_after_(options.stale_after.count()) {}

  /// Takes a report made at this moment, except for figures of which a newer one has come. Preconditions:
  /// `report.check()` finds nothing, and the moment is not to come. One thread at a time.
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

  /// Requests of others that run or wait there. Add this router's in flight for all of them.
  template <class TimePoint>
  [[nodiscard]] Estimate requests_of_others(TimePoint now) const noexcept {
    return fresh(requests_, now);
  }
  /// Waiting requests, less this router's in flight at the time. Add those in flight now for the queue if all that were
  /// sent since wait; below zero means none.
  template <class TimePoint>
  [[nodiscard]] Estimate queue_beyond_own(TimePoint now) const noexcept {
    return fresh(queue_, now);
  }
  /// The share of the KV cache in use, less what this router's leases held at the time. Add what they hold now, times
  /// `kv_usage_per_token`.
  template <class TimePoint>
  [[nodiscard]] Estimate kv_usage_beyond_own(TimePoint now) const noexcept {
    return fresh(kv_usage_, now);
  }
  template <class TimePoint>
  [[nodiscard]] Estimate kv_usage_per_token(TimePoint now) const noexcept {
    return fresh(kv_usage_per_token_, now);
  }
  /// How old the newest figure is; none has come yet if unknown.
  template <class TimePoint>
  [[nodiscard]] std::optional<std::chrono::nanoseconds> report_age(TimePoint now) const noexcept {
    const std::int64_t newest = std::max(queue_.made_at(), kv_usage_.made_at());  // requests come with a queue
    if (newest == never) return std::nullopt;
    return std::chrono::nanoseconds{std::max<std::int64_t>(detail::nanoseconds_of(now) - newest, 0)};
  }

 private:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

  /// What a report says, and when that was so. Relaxed: each says something by itself.
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
