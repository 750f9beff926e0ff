// SPDX-License-Identifier: Apache-2.0
// A sliding window cut into sixty buckets.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <string>

namespace pdroute::inline v0 {

/// The geometry of a sliding window: sixty buckets of equal width and the one in progress. The length is rounded up to
/// a multiple of 60 ns.
class RateWindow {
 public:
  static constexpr std::int64_t buckets = 60;

  /// Precondition for use: `check()` finds nothing wrong.
  template <class Rep, class Period>
    requires std::convertible_to<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
  constexpr RateWindow(std::chrono::duration<Rep, Period> length) noexcept
      : width_(std::chrono::nanoseconds{length}.count()) {
    if (width_ > 0) width_ = (width_ - 1) / buckets + 1;
  }

  [[nodiscard]] std::optional<ConfigError> check() const {
    if (width_ > 0) return std::nullopt;
    return ConfigError{ConfigError::Rule::window_positive, std::to_string(width_) + " ns"};
  }

  [[nodiscard]] constexpr std::chrono::nanoseconds length() const noexcept {
    return std::chrono::nanoseconds{width_ * buckets};
  }
  [[nodiscard]] constexpr std::chrono::nanoseconds bucket_width() const noexcept {
    return std::chrono::nanoseconds{width_};
  }

  /// The bucket that a moment falls into, as counted from the clock's epoch.
  template <class Clock, class Duration>
  [[nodiscard]] constexpr std::int64_t bucket(std::chrono::time_point<Clock, Duration> moment) const noexcept {
    const std::int64_t ticks = detail::nanoseconds_of(moment);
    return ticks / width_ - (ticks % width_ < 0 ? 1 : 0);  // towards the past, also before the epoch
  }

 private:
  std::int64_t width_;
};

}  // namespace pdroute::inline v0
