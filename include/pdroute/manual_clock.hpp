// SPDX-License-Identifier: Apache-2.0
// A clock that moves only when told to: for tests and for replaying traces in virtual time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace pdroute {
inline namespace v0 {

/// Starts at zero. Copies show the same time, so a router owns one copy while the test moves another.
/// Thread safety: all members may be called from any thread.
class ManualClock {
 public:
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<ManualClock, duration>;
  static constexpr bool is_steady = false;  // set() may step back

  [[nodiscard]] time_point now() const noexcept {
    return time_point{duration{ticks_->load(std::memory_order_relaxed)}};
  }
  void advance(duration by) noexcept { ticks_->fetch_add(by.count(), std::memory_order_relaxed); }
  void set(duration since_start) noexcept { ticks_->store(since_start.count(), std::memory_order_relaxed); }

 private:
  // Relaxed: the time orders nothing but itself.
  std::shared_ptr<std::atomic<std::int64_t>> ticks_ = std::make_shared<std::atomic<std::int64_t>>(0);
};

}  // namespace v0
}  // namespace pdroute
