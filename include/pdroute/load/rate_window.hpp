// SPDX-License-Identifier: Apache-2.0
// RateWindow: the length of a sliding window, divided into sixty buckets.
#pragma once

#include <algorithm>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <string>

namespace pdroute {
inline namespace v0 {

/// The geometry of a sliding window: sixty buckets of equal width, and the bucket in progress. The length is longer
/// than zero, at most a hundred years, and rounded up to a multiple of 60 ns.
class RateWindow {
 public:
  static constexpr std::int64_t buckets = 60;  ///< number of buckets in a window

  /// A window of this length. Any length can be given; before the window is used, `check` must find nothing wrong.
  template <class Rep, class Period>
    requires std::convertible_to<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
  constexpr RateWindow(std::chrono::duration<Rep, Period> length) noexcept {
    // Compare in the caller's own unit, because a very long duration would overflow when it is converted to
    // nanoseconds.
    using Given = std::chrono::duration<Rep, Period>;
    if (length > std::chrono::duration_cast<Given>(longest)) {
      width_ = too_long;
    } else if (length <= Given::zero()) {
      width_ = std::chrono::nanoseconds{std::max(length, std::chrono::duration_cast<Given>(-longest))}.count();
    } else {
      width_ = (std::chrono::nanoseconds{length}.count() - 1) / buckets + 1;
    }
  }

  /// What is wrong with the length; none if nothing is wrong.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (0 < width_ && width_ < too_long) return std::nullopt;
    return ConfigError{ConfigError::Rule::window_in_range,
                       width_ == too_long ? "over 100 years" : std::to_string(width_) + " ns"};
  }

  /// The length after rounding.
  [[nodiscard]] constexpr std::chrono::nanoseconds length() const noexcept {
    return std::chrono::nanoseconds{width_ * buckets};
  }
  /// The width of a bucket: a sixtieth of the length.
  [[nodiscard]] constexpr std::chrono::nanoseconds bucket_width() const noexcept {
    return std::chrono::nanoseconds{width_};
  }

  /// The number of the bucket that `moment` falls into, counted from the clock's epoch. Negative before the epoch.
  /// Precondition: `check` finds nothing wrong.
  template <class Clock, class Duration>
  [[nodiscard]] constexpr std::int64_t bucket(std::chrono::time_point<Clock, Duration> moment) const noexcept {
    assert(0 < width_ && width_ < too_long && "a window is used only after check() has found nothing wrong with it");
    const std::int64_t ticks = detail::nanoseconds_of(moment);
    return ticks / width_ - (ticks % width_ < 0 ? 1 : 0);  // rounds down, also before the epoch
  }

 private:
  static constexpr std::chrono::hours longest{24 * 365 * 100};
  static constexpr std::int64_t too_long = std::numeric_limits<std::int64_t>::max();

  std::int64_t width_ = 0;  // of a bucket, in nanoseconds; out of range, this is what `check` reports
};

}  // namespace v0
}  // namespace pdroute
