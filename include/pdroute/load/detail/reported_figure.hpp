// SPDX-License-Identifier: Apache-2.0
// ReportedFigure and UnseenShare: one figure of an engine's reports, and how much of the router's own load it misses.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <pdroute/clock.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A moment as a number of nanoseconds, for the age of reports.
class ReportMoment {
 public:
  /// The moment before all others, at which nothing is reported.
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min();

  /// The moment in nanoseconds, other than `never`.
  template <class TimePoint>
  [[nodiscard]] static std::int64_t of(TimePoint moment) noexcept {
    return std::max(detail::nanoseconds_of(moment), never + 1);
  }
  /// The time between two moments, in any order. Unsigned, because it may be too long for the type of the moments.
  [[nodiscard]] static std::uint64_t distance(std::int64_t a, std::int64_t b) noexcept {
    return a < b ? static_cast<std::uint64_t>(b) - static_cast<std::uint64_t>(a)
                 : static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b);
  }
};

/// One figure of the reports, and when it was made.
/// Thread safety: may be read during `set`. Relaxed: each word is used by itself and publishes no other data.
class ReportedFigure {
 public:
  /// Whether a report made at `made_at` replaces the figure. A figure from later than `now` is one from before the
  /// clock stepped back.
  [[nodiscard]] bool replaced_by(std::int64_t made_at, std::int64_t now) const noexcept {
    return this->made_at() <= made_at || this->made_at() > now;
  }
  void set(double value, std::int64_t made_at) noexcept {
    value_.store(value, std::memory_order_relaxed);
    made_at_.store(made_at, std::memory_order_relaxed);
  }
  [[nodiscard]] double value() const noexcept { return value_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t made_at() const noexcept { return made_at_.load(std::memory_order_relaxed); }
  /// Whether there is a figure, made less than `stale_after` from `now`, or just so far.
  [[nodiscard]] bool known(std::int64_t now, std::uint64_t stale_after) const noexcept {
    const std::int64_t made_at = this->made_at();
    return made_at != ReportMoment::never && ReportMoment::distance(made_at, now) <= stale_after;
  }

 private:
  std::atomic<double> value_{0};
  std::atomic<std::int64_t> made_at_{ReportMoment::never};
};

/// How much of what this router's leases hold does not show in a figure: requests that do not wait, tokens that are not
/// in the cache. Negative if the figure is larger than what they hold. Never more than what they hold, because leases
/// that have ended would otherwise be a credit for later ones.
///
/// No hook tells a load metric that a lease has ended, so each reader lowers the number to what it sees. A choice reads
/// the endpoints that it compares, and thus the chosen one before its count rises.
/// Thread safety: all members may be called from many threads at once. Relaxed: if threads lower the number at once, or
/// during a report, one of their values stays; each of them was true.
class UnseenShare {
 public:
  void set(double unseen) noexcept { unseen_.store(unseen, std::memory_order_relaxed); }
  /// The number now, if the leases hold `own`.
  [[nodiscard]] double among(double own) const noexcept {
    const double unseen = unseen_.load(std::memory_order_relaxed);
    if (unseen <= own) return unseen;
    unseen_.store(own, std::memory_order_relaxed);
    return own;
  }

 private:
  mutable std::atomic<double> unseen_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
