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
/// than zero, at most a hundred years, and rounded up to a multiple of 60 ns, at least 120 ns.
class RateWindow {
 public:
  static constexpr std::int64_t buckets = 60;  ///< number of buckets in a window

  /// A window of this length. Any length can be given; before the window is used, `check` must find nothing wrong.
  template <class Rep, class Period>
    requires std::convertible_to<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
  constexpr RateWindow(std::chrono::duration<Rep, Period> length) noexcept {
    const std::int64_t ticks = detail::saturated_nanoseconds(length);
    if (ticks > std::chrono::nanoseconds{detail::longest_option}.count()) {
      width_ = too_long;
    } else if (ticks <= 0) {
      width_ = ticks;
    } else {
      width_ = std::max<std::int64_t>((ticks - 1) / buckets + 1, 2);  // so that bucket numbers have a bit to spare
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

  /// A time that is more than this number of buckets behind the newest arrival comes from a clock that has stepped
  /// back. It is a window and at least a minute, because a thread may be suspended between reading the clock and
  /// recording.
  [[nodiscard]] constexpr std::int64_t max_buckets_behind() const noexcept {
    constexpr std::chrono::nanoseconds longest_suspension = std::chrono::minutes{1};
    return std::max<std::int64_t>(buckets, longest_suspension.count() / width_ + 1);
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
  static constexpr std::int64_t too_long = std::numeric_limits<std::int64_t>::max();

  std::int64_t width_ = 0;  // of a bucket, in nanoseconds; out of range, this is what `check` reports
};

}  // namespace v0
}  // namespace pdroute
