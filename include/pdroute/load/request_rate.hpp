// SPDX-License-Identifier: Apache-2.0
// RequestRate: the load metric that counts the requests an endpoint was given within a sliding window.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/load/rate_window.hpp>

namespace pdroute {
inline namespace v0 {

/// A load metric: arrivals, which are requests given to the endpoint, within a sliding window. It needs about 0.5 KiB
/// at any rate below 2^31 arrivals per window.
///
/// Guarantee: with one thread, 0 <= count - exact <= the arrivals of one bucket. Here exact is the number of arrivals
/// `a` with `now - a <= window`, and a bucket is a sixtieth of the window. With several threads, the count is never
/// negative and no arrival is lost for good, but some readings differ from that until the window has passed:
/// - An arrival that is recorded while another thread begins a bucket may count in either of the two buckets. If it is
///   then undone, or if an arrival is undone while a thread begins a bucket, the windows that begin with that bucket
///   count one too many or one too few.
/// - If two threads begin different buckets at once, the window may be that of either bucket as long as the later one
///   lasts.
///
/// A time before the newest bucket comes from a slow thread or from a clock that has stepped back. What counts is how
/// far it is behind the newest bucket:
/// - At most a window, or at most a minute if that is longer: the arrival counts in the newest bucket. No arrival is
///   lost or counted twice, but none leaves the window before the clock has caught up.
/// - Farther: what was recorded before is forgotten. The endpoint reads zero, and its next arrival begins a new window
///   there. So one wrong time, however far ahead, misplaces at most the arrivals of one window.
///
/// How: `total_` counts all arrivals. `marks_` stores the value that it had when each bucket began. The arrivals since
/// then are the difference of the two, so no arrival has to be removed when it leaves the window.
///
/// Complexity: reading is O(1). Recording is O(1) within a bucket; the first arrival in a new bucket writes the marks
/// of all buckets since the last arrival, at most 128.
///
/// Thread safety: all members may be called from many threads at once; lock-free.
class RequestRate {
 public:
  using Options = RateWindow;  ///< the window
  /// Where an arrival was counted, for `undo`.
  struct Receipt {
    std::int64_t bucket;  ///< the number of its bucket, see `RateWindow::bucket`
  };

  /// No arrivals at first. Precondition: `window.check()` finds nothing wrong.
  explicit RequestRate(RateWindow window) noexcept : window_(window), max_behind_(window.max_buckets_behind()) {}

  /// Hook of `CountsChoices`: counts one arrival.
  template <class Clock, class Duration>
  Receipt record(std::chrono::time_point<Clock, Duration> now) noexcept {
    const std::int64_t bucket = window_.bucket(now);
    std::int64_t newest = newest_.load(std::memory_order_acquire);  // acquire: with the marks that `begin` wrote
    while (newest != bucket && (newest < bucket || stepped_back(newest, bucket))) newest = begin(newest, bucket);
    total_.fetch_add(1, std::memory_order_relaxed);
    return {newest};
  }

  /// Hook of `CountsChoices`: takes an arrival back. Meanwhile a reader may see it in some buckets and not in others.
  void undo(Receipt receipt) noexcept {
    total_.fetch_sub(1, std::memory_order_relaxed);
    // Acquire: the marks of every bucket up to the newest are there.
    const std::int64_t newest = newest_.load(std::memory_order_acquire);
    for (auto b = first_mark(receipt.bucket, newest); b <= newest; ++b) mark(b).fetch_sub(1, std::memory_order_relaxed);
    if (receipt.bucket < newest - RateWindow::buckets || receipt.bucket > newest)
      before_.fetch_sub(1, std::memory_order_relaxed);
  }

  /// Arrivals in the window that ends in this bucket, see `RateWindow::bucket`. A policy computes the bucket once and
  /// reads any number of endpoints with it.
  [[nodiscard]] std::uint32_t arrivals(std::int64_t bucket) const noexcept {
    // Acquire: `before_` and the marks are those of this bucket, or newer.
    const std::int64_t newest = newest_.load(std::memory_order_acquire);
    if (newest != bucket) [[unlikely]]
      return arrivals_apart(newest, bucket);
    return since(before_);
  }

  /// Arrivals per second: the arrivals in the window divided by its whole length. The rate reads low until the first
  /// window has passed.
  template <class Clock, class Duration>
  [[nodiscard]] double per_second(std::chrono::time_point<Clock, Duration> now) const noexcept {
    return arrivals(window_.bucket(now)) / std::chrono::duration<double>(window_.length()).count();
  }

 private:
  using Mark = std::atomic<std::uint32_t>;
  static constexpr std::int64_t ring =
      128;  // two windows, for threads that fall behind; a power of two, so that an index is a mask
  static constexpr std::int64_t never = -(std::int64_t{3} << 61U);  // before every bucket, far from overflow

  [[nodiscard]] Mark& mark(std::int64_t bucket) noexcept {
    return marks_[static_cast<std::size_t>(bucket & (ring - 1))];
  }
  [[nodiscard]] const Mark& mark(std::int64_t bucket) const noexcept {
    return marks_[static_cast<std::size_t>(bucket & (ring - 1))];
  }
  /// Whether the clock has stepped back so far, from `newest` to `bucket`, that the window begins anew.
  [[nodiscard]] bool stepped_back(std::int64_t newest, std::int64_t bucket) const noexcept {
    return newest > bucket && newest - bucket > max_behind_;
  }
  /// The first bucket with a mark, when `newest` is the newest one, that began after an arrival in `bucket`. If
  /// `bucket` is later than `newest`, the window has begun anew since, and all marks were set after the arrival.
  [[nodiscard]] static std::int64_t first_mark(std::int64_t bucket, std::int64_t newest) noexcept {
    const std::int64_t oldest = newest - ring + 1;
    return bucket > newest ? oldest : std::max(bucket + 1, oldest);
  }

  /// All arrivals since the mark was set.
  [[nodiscard]] std::uint32_t since(const Mark& begin) const noexcept {
    const std::uint32_t before = begin.load(std::memory_order_relaxed);
    const std::uint32_t count = total_.load(std::memory_order_relaxed) - before;
    return static_cast<std::int32_t>(count) < 0 ? 0 : count;  // negative while an undo is in progress
  }
  /// The arrivals in the window that ends in `bucket`, which is not the newest one. Out of line and cold, so that the
  /// code of a loop over endpoints stays small.
  [[nodiscard, gnu::noinline, gnu::cold]] std::uint32_t arrivals_apart(std::int64_t newest,
                                                                       std::int64_t bucket) const noexcept {
    if (newest > bucket) return stepped_back(newest, bucket) ? 0 : since(before_);
    const std::int64_t oldest = bucket - RateWindow::buckets;
    return newest < oldest ? 0 : since(mark(oldest));  // no arrival since an earlier bucket
  }

  /// Makes `bucket` the newest one: begins the buckets after `newest`, or a new window if `bucket` is before it.
  /// Returns the newest bucket afterwards, which another thread may have begun.
  std::int64_t begin(std::int64_t newest, std::int64_t bucket) noexcept {
    const std::uint32_t total = total_.load(std::memory_order_relaxed);
    // A thread that was suspended in this function must not overwrite what other threads have written since. So it
    // writes only over a value that it saw while `newest` was still the newest bucket.
    std::int64_t current = newest;
    const auto write = [&](Mark& place, std::uint32_t value) {
      // Acquire: keeps the next load after this one.
      std::uint32_t seen = place.load(std::memory_order_acquire);
      do {
        // Acquire: keeps the exchange after this load.
        current = newest_.load(std::memory_order_acquire);
        if (current != newest || seen == value) return;
      } while (!place.compare_exchange_weak(seen, value, std::memory_order_acquire));
    };
    for (auto b = first_mark(newest, bucket); b <= bucket && current == newest; ++b) write(mark(b), total);
    if (current == newest) write(before_, mark(bucket - RateWindow::buckets).load(std::memory_order_relaxed));
    if (current != newest) return current;
    // Release: a thread that sees the new bucket sees its marks. Acquire: this thread counts its arrival after the
    // bucket has begun, and sees the marks if another thread has begun it.
    if (newest_.compare_exchange_strong(newest, bucket, std::memory_order_acq_rel, std::memory_order_acquire))
      return bucket;
    return newest;
  }

  std::atomic<std::int64_t> newest_{never};  // the bucket in progress
  Mark total_{0};                            // wraps; differences within a window stay right
  Mark before_{0};                           // the mark at the beginning of the window that ends in the newest bucket
  RateWindow window_;
  std::int64_t max_behind_;  // see `RateWindow::max_buckets_behind`
  std::array<Mark, ring> marks_{};
};

}  // namespace v0
}  // namespace pdroute
