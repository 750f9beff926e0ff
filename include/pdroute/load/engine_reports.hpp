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

namespace pdroute::inline v0 {

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
        std::to_string(kv_cache->usage).append(" of ").append(std::to_string(kv_cache->tokens)).append(" tokens")};
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
///
/// A report older than `stale_after` is none: unknown.
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

  /// Takes a report made at this moment, unless a newer one has come. Precondition: `report.check()` finds nothing.
  template <class TimePoint>
  void report(const EngineReport& report, TimePoint made_at, const Own& own) noexcept {
    const std::int64_t moment = detail::nanoseconds_of(made_at);
    if (moment < made_at_.load(std::memory_order_relaxed)) return;
    const double in_flight = own.in_flight;
    const double waiting = report.waiting.value_or(0);
    set(requests_, report.running && report.waiting, std::max(0.0, waiting + report.running.value_or(0) - in_flight));
    set(queue_, report.waiting.has_value(), waiting - in_flight);
    const auto cache = report.kv_cache.value_or(EngineReport::KvCache{0, 1});
    const double per_token = 1 / static_cast<double>(cache.tokens);
    set(kv_usage_, report.kv_cache.has_value(), cache.usage - static_cast<double>(own.kv_tokens) * per_token);
    set(kv_usage_per_token_, report.kv_cache.has_value(), per_token);
    made_at_.store(moment, std::memory_order_relaxed);
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
  /// How old the newest report is; none has come yet if unknown.
  template <class TimePoint>
  [[nodiscard]] std::optional<std::chrono::nanoseconds> report_age(TimePoint now) const noexcept {
    const std::int64_t made_at = made_at_.load(std::memory_order_relaxed);
    if (made_at == never) return std::nullopt;
    return std::chrono::nanoseconds{std::max<std::int64_t>(detail::nanoseconds_of(now) - made_at, 0)};
  }

 private:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();
  static constexpr double unknown = std::numeric_limits<double>::lowest();

  // Relaxed throughout: each value says something by itself.

  static void set(std::atomic<double>& place, bool known, double value) noexcept {
    place.store(known ? value : unknown, std::memory_order_relaxed);
  }
  template <class TimePoint>
  [[nodiscard]] Estimate fresh(const std::atomic<double>& place, TimePoint now) const noexcept {
    const auto age = report_age(now);
    const double value = place.load(std::memory_order_relaxed);
    return age && age->count() <= stale_after_ && value != unknown ? Estimate{value, 1} : Estimate{};
  }

  std::int64_t stale_after_;
  std::atomic<std::int64_t> made_at_{never};
  std::atomic<double> requests_{unknown};
  std::atomic<double> queue_{unknown};
  std::atomic<double> kv_usage_{unknown};
  std::atomic<double> kv_usage_per_token_{unknown};
};

}  // namespace pdroute::inline v0
