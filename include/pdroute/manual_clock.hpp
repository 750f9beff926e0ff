// SPDX-License-Identifier: Apache-2.0
// ManualClock: a clock that moves only when told to, for tests and for replaying traces in virtual time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace pdroute {
inline namespace v0 {

/// A clock that starts at zero and moves only by `advance` and `set`. Copies share one time: a router owns one copy
/// while the test moves another. Satisfies `CallerClock`.
/// Thread safety: all members may be called from many threads at once; lock-free.
class ManualClock {
 public:
  using duration = std::chrono::nanoseconds;                          ///< the clock's resolution
  using rep = duration::rep;                                          ///< of `duration`
  using period = duration::period;                                    ///< of `duration`
  using time_point = std::chrono::time_point<ManualClock, duration>;  ///< what `now` returns
  static constexpr bool is_steady = false;                            ///< false, because `set` may step back

  /// The time that was set last.
  [[nodiscard]] time_point now() const noexcept {
    return time_point{duration{ticks_->load(std::memory_order_relaxed)}};
  }
  /// Moves the time forward by `by`; a negative duration moves it back. It stops at the ends of `duration`.
  void advance(duration by) noexcept {
    rep ticks = ticks_->load(std::memory_order_relaxed);
    while (!ticks_->compare_exchange_weak(ticks, sum(ticks, by.count()), std::memory_order_relaxed)) {
    }
  }
  /// Sets the time to `since_start` after the clock's epoch, which is where it started.
  void set(duration since_start) noexcept { ticks_->store(since_start.count(), std::memory_order_relaxed); }

 private:
  [[nodiscard]] static constexpr rep sum(rep ticks, rep by) noexcept {
    if (by > 0 && ticks > duration::max().count() - by) return duration::max().count();
    if (by < 0 && ticks < duration::min().count() - by) return duration::min().count();
    return ticks + by;
  }

  // Relaxed: the time does not publish any other data.
  std::shared_ptr<std::atomic<rep>> ticks_ = std::make_shared<std::atomic<rep>>(0);
};

}  // namespace v0
}  // namespace pdroute
