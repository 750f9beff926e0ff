// SPDX-License-Identifier: Apache-2.0
// EngineReports: the load metric that keeps what an engine has reported last, corrected by this router's own requests.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/load/detail/reported_figure.hpp>
#include <pdroute/load/engine_report.hpp>
#include <pdroute/load/estimate.hpp>
#include <string>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// A load metric: the newest report of an endpoint, corrected by what this router has done since.
///
/// Problem: a report is seconds old when it is read, and it stays the same for every request until the next report
/// comes. A policy that takes it at face value sends all of those requests to one endpoint.
///
/// Mechanism: the router knows its own requests exactly, from the choice to the end of the lease. So the metric splits
/// each figure into the part of *other* gateways, which stays until the next report, and the router's own part, which
/// follows its leases.
/// - Running and waiting requests: what is reported, less this router's requests when the report came, and not less
///   than zero. Own requests count as running first.
/// - Queue and KV cache: they stand as reported when the report comes, rise with each own request since, and fall with
///   each that ends, down to nothing. What has ended beyond that is no credit for later requests.
///
/// Errors of the correction: a request that was on its way to the engine when the engine made its report is subtracted
/// although the report does not contain it, so the requests of others are underestimated. A request that ended before
/// the report arrived is not subtracted, so it counts as another gateway's. Therefore pass reports on without delay.
///
/// A figure that a report leaves out keeps its earlier value, so figures may come from several sources. Each figure is
/// unknown once it is older than `Options::stale_after`, and when the clock has stepped back by more than that.
///
/// Limits: an endpoint that has reached a limit of `Options` counts as full. A figure that is unknown limits nothing.
///
/// Thread safety: readers may be called from many threads at once, also during `report`; lock-free. `report` may be
/// called by one thread at a time. A thread that reads during `report` may see the old value of one figure and the new
/// value of another, or pair the value of one report with the time of another.
class EngineReports {
 public:
  /// How long a report counts, and from which figures on an endpoint is full.
  struct Options {
    /// The age after which a figure is unknown; longer than zero. The default of 60 s is twice the slowest usual
    /// interval, the 30 s of vLLM's production stack.
    std::chrono::nanoseconds stale_after = std::chrono::seconds{60};
    /// Full at so many requests of all gateways that run or wait, this router's as they are now; at least 1.
    std::optional<std::uint32_t> max_requests = {};
    /// Full while so many requests wait, by the last report: requests sent since may well run; at least 1.
    std::optional<std::uint32_t> max_waiting = {};
    /// Full at this share of the KV cache, this router's tokens as they are now; above 0 and at most 1.
    std::optional<double> max_kv_usage = {};

    /// What is wrong with the options; none if nothing is wrong.
    [[nodiscard]] std::optional<ConfigError> check() const {
      using Rule = ConfigError::Rule;
      if (!(stale_after > std::chrono::nanoseconds::zero()))
        return ConfigError{Rule::stale_after_in_range, std::to_string(stale_after.count()) + " ns"};
      if (max_requests == 0U || max_waiting == 0U) return ConfigError{Rule::report_limits_in_range, "0"};
      if (max_kv_usage && !(*max_kv_usage > 0 && *max_kv_usage <= 1))
        return ConfigError{Rule::report_limits_in_range, detail::number_text(*max_kv_usage)};
      return std::nullopt;
    }
  };
  /// What this router's leases hold at the endpoint.
  struct Own {
    std::uint32_t in_flight = 0;  ///< number of leases
    std::uint64_t kv_tokens = 0;  ///< KV tokens of all leases; zero in a role that does not count `KvTokens`

    /// What they hold at a candidate now.
    template <class Candidate>
    [[nodiscard]] static Own of(const Candidate& candidate) noexcept {
      if constexpr (requires { candidate.kv_tokens(); }) {
        return {candidate.in_flight(), candidate.kv_tokens()};
      } else {
        return {candidate.in_flight(), 0};
      }
    }
  };

  /// All figures are unknown at first.
  explicit EngineReports(const Options& options) noexcept
      : stale_after_(static_cast<std::uint64_t>(options.stale_after.count())),
        limited_(options.max_requests || options.max_waiting || options.max_kv_usage),
        max_requests_(options.max_requests ? *options.max_requests : no_limit),
        max_waiting_(options.max_waiting ? *options.max_waiting : no_limit),
        max_kv_usage_(options.max_kv_usage.value_or(no_limit)) {}

  /// Why a report would be of no use in a role with the load metrics `Load`, if it would: it holds no figure that the
  /// role reads, see `ReadsReported`, or it is stale already.
  template <class Load, class TimePoint>
  [[nodiscard]] std::optional<ConfigError> check_use(const EngineReport& report, TimePoint made_at,
                                                     TimePoint now) const {
    std::string has;
    std::string reads;
    bool used = false;
    const auto add = [](std::string& list, ReportFigure figure) {
      list.append(list.empty() ? "" : ", ").append(to_string(figure));
    };
    for (const ReportFigure figure : figures) {
      if (report.has(figure)) add(has, figure);
      if (!read_by<Load>(figure)) continue;
      add(reads, figure);
      used = used || report.has(figure);
    }
    if (!used)
      return ConfigError{ConfigError::Rule::report_read, (has.empty() ? "nothing" : has) + "; the role reads " + reads};
    if (Moment::distance(Moment::of(made_at), Moment::of(now)) <= stale_after_) return std::nullopt;
    return ConfigError{ConfigError::Rule::report_fresh, std::to_string(Moment::of(made_at)) + " ns, and it is " +
                                                            std::to_string(Moment::of(now)) + " ns"};
  }

  /// Takes a report that the engine made at `made_at`. A figure is ignored if a newer value of it has come before,
  /// unless that one is newer than `now`: the clock has then stepped back. Preconditions: `report.check()` finds
  /// nothing wrong, and `made_at` is not after `now`. Called by the pool, by one thread at a time.
  template <class TimePoint>
  void report(const EngineReport& report, TimePoint made_at, TimePoint now, const Own& own) noexcept {
    const std::int64_t moment = Moment::of(made_at);
    const std::int64_t present = Moment::of(now);
    const double in_flight = own.in_flight;
    if (report.running && running_.replaced_by(moment, present)) {
      const double running = *report.running;
      own_running_ = std::min(running, in_flight);
      running_.set(running - own_running_, moment);
    }
    if (report.waiting && waiting_.replaced_by(moment, present)) {
      const double waiting = *report.waiting;
      const double own_running = known(running_, present) ? own_running_ : 0;
      reported_waiting_.store(waiting, std::memory_order_relaxed);
      not_waiting_.set(in_flight - waiting);
      waiting_.set(waiting - std::clamp(in_flight - own_running, 0.0, waiting), moment);
    }
    if (known(running_, present) && known(waiting_, present)) {
      requests_.set(running_.value() + waiting_.value(), std::min(running_.made_at(), waiting_.made_at()));
    } else {
      requests_.set(0, Moment::never);
    }
    in_part_.store(known(running_, present) != known(waiting_, present), std::memory_order_relaxed);
    if (report.kv_cache && kv_per_token_.replaced_by(moment, present)) {
      const double tokens = static_cast<double>(report.kv_cache->tokens);
      not_in_cache_.set(static_cast<double>(own.kv_tokens) - report.kv_cache->usage * tokens);
      kv_per_token_.set(1 / tokens, moment);
    }
  }

  /// Requests of other gateways that run at the endpoint.
  template <class TimePoint>
  [[nodiscard]] Estimate running_of_others(TimePoint now) const noexcept {
    return if_known(running_, now, [this] { return running_.value(); });
  }
  /// Requests of other gateways that wait at the endpoint.
  template <class TimePoint>
  [[nodiscard]] Estimate waiting_of_others(TimePoint now) const noexcept {
    return if_known(waiting_, now, [this] { return waiting_.value(); });
  }
  /// Requests of other gateways that run or wait at the endpoint, if both numbers are known. Add this router's requests
  /// in flight to get all requests.
  template <class TimePoint>
  [[nodiscard]] Estimate requests_of_others(TimePoint now) const noexcept {
    return if_known(requests_, now, [this] { return requests_.value(); });
  }
  /// Whether, by the last report, one of the two numbers is known and the other is not.
  [[nodiscard]] bool requests_known_in_part() const noexcept { return in_part_.load(std::memory_order_relaxed); }
  /// The requests that wait, less `in_flight`, which is this router's number of leases now. Add it to get the queue, on
  /// the assumption that requests sent since the report wait, unless others have ended.
  template <class TimePoint>
  [[nodiscard]] Estimate queue_beyond_own(TimePoint now, std::uint32_t in_flight) const noexcept {
    return if_known(waiting_, now, [&] { return -not_waiting_.among(in_flight); });
  }
  /// The share of the KV cache in use, less the share of `kv_tokens`, which is what this router's leases hold now. Add
  /// `kv_tokens` times `kv_usage_per_token` to get the usage.
  template <class TimePoint>
  [[nodiscard]] Estimate kv_usage_beyond_own(TimePoint now, std::uint64_t kv_tokens) const noexcept {
    return if_known(kv_per_token_, now,
                    [&] { return -not_in_cache_.among(static_cast<double>(kv_tokens)) * kv_per_token_.value(); });
  }
  /// The share of the KV cache that one token takes.
  template <class TimePoint>
  [[nodiscard]] Estimate kv_usage_per_token(TimePoint now) const noexcept {
    return if_known(kv_per_token_, now, [this] { return kv_per_token_.value(); });
  }
  /// The age of the newest figure; none if no figure has come yet. Zero if the clock has stepped back behind the
  /// report.
  template <class TimePoint>
  [[nodiscard]] std::optional<std::chrono::nanoseconds> report_age(TimePoint now) const noexcept {
    const std::int64_t newest = std::max({running_.made_at(), waiting_.made_at(), kv_per_token_.made_at()});
    if (newest == Moment::never) return std::nullopt;
    constexpr std::uint64_t longest = std::numeric_limits<std::int64_t>::max();
    const std::int64_t present = std::max(Moment::of(now), newest);
    return std::chrono::nanoseconds{static_cast<std::int64_t>(std::min(Moment::distance(newest, present), longest))};
  }

  /// Whether `Options` has any limit.
  [[nodiscard]] bool limited() const noexcept { return limited_; }
  /// Whether the endpoint has reached a limit. If only one of running and waiting is known, there are at least so many
  /// requests. `own` is what this router's leases hold there now.
  template <class TimePoint>
  [[nodiscard, gnu::noinline]] bool at_limit(TimePoint now, const Own& own) const noexcept {
    const Estimate running = running_of_others(now);
    const Estimate waiting = waiting_of_others(now);
    if (running.weight + waiting.weight > 0 && running.value + waiting.value + own.in_flight >= max_requests_)
      return true;
    if (waiting.weight > 0 && reported_waiting_.load(std::memory_order_relaxed) >= max_waiting_) return true;
    const Estimate usage = kv_usage_beyond_own(now, own.kv_tokens);
    constexpr double rounding = 1e-9;  // a usage that is reported is multiplied by the tokens and divided again
    return usage.weight > 0 &&
           usage.value + static_cast<double>(own.kv_tokens) * kv_per_token_.value() >= max_kv_usage_ - rounding;
  }

 private:
  using Moment = detail::ReportMoment;
  static constexpr std::array figures{ReportFigure::running, ReportFigure::waiting, ReportFigure::kv_cache};
  static constexpr double no_limit = std::numeric_limits<double>::infinity();

  [[nodiscard]] bool known(const detail::ReportedFigure& figure, std::int64_t now) const noexcept {
    return figure.known(now, stale_after_);
  }
  /// What `read()` returns, with weight 1, if the figure is known.
  template <class TimePoint, class Read>
  [[nodiscard]] Estimate if_known(const detail::ReportedFigure& figure, TimePoint now,
                                  const Read& read) const noexcept {
    if (!known(figure, detail::nanoseconds_of(now))) return {};
    return {read(), 1};
  }
  /// Whether a cost or a limit of a role with the load metrics `Load` reads the figure.
  template <class Load>
  [[nodiscard]] bool read_by(ReportFigure figure) const noexcept {
    constexpr bool running = std::is_base_of_v<ReadsReported<ReportFigure::running>, Load>;
    constexpr bool waiting = std::is_base_of_v<ReadsReported<ReportFigure::waiting>, Load>;
    constexpr bool kv_cache = std::is_base_of_v<ReadsReported<ReportFigure::kv_cache>, Load>;
    if constexpr (!running && !waiting && !kv_cache) return true;
    switch (figure) {
      case ReportFigure::running: return running || max_requests_ < no_limit;
      case ReportFigure::waiting: return waiting || max_requests_ < no_limit || max_waiting_ < no_limit;
      case ReportFigure::kv_cache: return kv_cache || max_kv_usage_ < no_limit;
    }
    return false;
  }

  // In the order of use: what `ReportedRequests` reads stands beside the count of leases.
  std::uint64_t stale_after_;
  bool limited_;
  std::atomic<bool> in_part_{false};
  detail::ReportedFigure requests_;  // of others: the sum of the next two; as old as the older one
  detail::ReportedFigure running_;   // of others
  detail::ReportedFigure waiting_;   // of others
  detail::UnseenShare not_waiting_;
  std::atomic<double> reported_waiting_{0};
  detail::ReportedFigure kv_per_token_;
  detail::UnseenShare not_in_cache_;
  double own_running_ = 0;  // when `running_` was reported; used by `report` alone
  double max_requests_;
  double max_waiting_;
  double max_kv_usage_;
};

}  // namespace v0
}  // namespace pdroute
