// SPDX-License-Identifier: Apache-2.0
// How many requests an endpoint was given within a sliding window.
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

/// Arrivals in a sliding window, in fixed memory (about 0.5 KiB) at any rate below 2^31 arrivals a window.
///
/// Guarantee: with one thread, 0 <= ours - exact <= the arrivals of one bucket, where exact counts arrivals `a` with
/// `now - a <= window`, and a bucket is a sixtieth of the window. Threads that record while a bucket begins may be
/// counted in either of the two. A moment before the newest bucket is taken for that bucket: after a clock has stepped
/// back, arrivals are neither lost nor counted twice, but none is forgotten before the clock has caught up.
///
/// How: `total_` counts arrivals for ever; `marks_` remember what it was when each bucket began. The arrivals since
/// then are one subtraction, so reading is O(1) and nothing has to be aged. Recording is O(1) within a bucket; the
/// first arrival in a new bucket fills the marks since the last one, at most 128.
///
/// Thread safety: all members may be called from many threads at once; lock-free.
class RequestRate {
 public:
  using Options = RateWindow;
  /// Where an arrival was counted; hand it to `undo`.
  struct Receipt {
    std::int64_t bucket;
  };

  explicit RequestRate(RateWindow window) noexcept : window_(window) {}

  /// Counts one arrival.
  template <class Clock, class Duration>
  Receipt record(std::chrono::time_point<Clock, Duration> now) noexcept {
    const std::int64_t bucket = window_.bucket(now);
    std::int64_t newest = newest_.load(std::memory_order_acquire);
    while (newest < bucket) newest = advance(newest, bucket);
    total_.fetch_add(1, std::memory_order_relaxed);
    return {newest};
  }

  /// Takes an arrival back. A reader meanwhile may see it in some buckets and not in others.
  void undo(Receipt receipt) noexcept {
    total_.fetch_sub(1, std::memory_order_relaxed);
    const std::int64_t newest = newest_.load(std::memory_order_acquire);
    for (auto b = first_mark(receipt.bucket, newest); b <= newest; ++b) mark(b).fetch_sub(1, std::memory_order_relaxed);
    if (receipt.bucket < newest - RateWindow::buckets) before_.fetch_sub(1, std::memory_order_relaxed);
  }

  /// Arrivals in the window that ends in this bucket, which `RateWindow::bucket` finds once for any number of
  /// endpoints.
  [[nodiscard]] std::uint32_t arrivals(std::int64_t bucket) const noexcept {
    const std::int64_t newest = newest_.load(std::memory_order_acquire);
    std::uint32_t before = before_.load(std::memory_order_relaxed);
    if (newest < bucket) [[unlikely]] {  // nothing came lately
      const std::int64_t oldest = bucket - RateWindow::buckets;
      if (newest < oldest) return 0;
      before = mark(oldest).load(std::memory_order_relaxed);
    }
    const std::uint32_t count = total_.load(std::memory_order_relaxed) - before;
    return static_cast<std::int32_t>(count) < 0 ? 0 : count;  // negative while an undo is in progress
  }

  /// Arrivals per second: arrivals in the window over the whole window, also in its first seconds of life.
  template <class Clock, class Duration>
  [[nodiscard]] double per_second(std::chrono::time_point<Clock, Duration> now) const noexcept {
    return arrivals(window_.bucket(now)) / std::chrono::duration<double>(window_.length()).count();
  }

 private:
  using Mark = std::atomic<std::uint32_t>;
  static constexpr std::int64_t ring =
      128;  // two windows, for readers that fell behind; a power of two: a place is a mask
  static constexpr std::int64_t never = -(std::int64_t{1} << 62U);  // before every bucket, far from overflow

  [[nodiscard]] Mark& mark(std::int64_t bucket) noexcept {
    return marks_[static_cast<std::size_t>(bucket & (ring - 1))];
  }
  [[nodiscard]] const Mark& mark(std::int64_t bucket) const noexcept {
    return marks_[static_cast<std::size_t>(bucket & (ring - 1))];
  }
  /// The first bucket after `bucket` that still has a mark once `newest` is the newest.
  [[nodiscard]] static std::int64_t first_mark(std::int64_t bucket, std::int64_t newest) noexcept {
    return std::max(bucket + 1, newest - ring + 1);
  }

  /// Begins the buckets after `newest` up to `bucket`; returns the newest bucket then, which another thread may have
  /// set.
  std::int64_t advance(std::int64_t newest, std::int64_t bucket) noexcept {
    const std::uint32_t total = total_.load(std::memory_order_relaxed);
    // A thread that fell asleep in here must not overwrite what others have written since: it writes only over the
    // value that it saw while `newest` was still the newest bucket.
    std::int64_t current = newest;
    const auto write = [&](Mark& place, std::uint32_t value) {
      std::uint32_t seen = place.load(std::memory_order_acquire);
      current = newest_.load(std::memory_order_acquire);
      if (current == newest && seen != value) place.compare_exchange_strong(seen, value, std::memory_order_relaxed);
    };
    for (auto b = first_mark(newest, bucket); b <= bucket && current == newest; ++b) write(mark(b), total);
    if (current == newest) write(before_, mark(bucket - RateWindow::buckets).load(std::memory_order_relaxed));
    if (current != newest) return current;
    // Release: whoever sees the new bucket sees its marks.
    if (newest_.compare_exchange_strong(newest, bucket, std::memory_order_acq_rel, std::memory_order_acquire))
      return bucket;
    return newest;
  }

  std::atomic<std::int64_t> newest_{never};  // the bucket in progress
  Mark total_{0};                            // wraps; differences within a window do not
  Mark before_{0};                           // the mark where the window that ends in the newest bucket begins
  RateWindow window_;
  std::array<Mark, ring> marks_{};
};

}  // namespace v0
}  // namespace pdroute
