// SPDX-License-Identifier: Apache-2.0
// Ewma: an exponentially weighted moving average (EWMA) over time in one atomic word.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <limits>
#include <pdroute/load/estimate.hpp>
#include <pdroute/load/ewma_options.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The weight that is left after so many halvings, 2^-halvings, with an error below 4e-6; 0 from 6 halvings on, which
/// is after 4.2 decays. At 2^-6 = 1.6 % a sample is forgotten, so that even a very long answer decides nothing any
/// more. Uses only arithmetic and not the platform's math library, so that the result does not depend on that library.
/// Precondition: halvings >= 0.
[[nodiscard]] constexpr double weight_after(double halvings) noexcept {
  if (!(halvings < 6)) return 0;
  const auto whole = static_cast<std::uint64_t>(halvings);
  const double f = halvings - static_cast<double>(whole);
  constexpr double last = -(0.5 - 0.6930558712 + 0.2394056760 - 0.0531276782);  // exactly 1/2 at f = 1
  const double fraction = 1 + f * (-0.6930558712 + f * (0.2394056760 + f * (-0.0531276782 + f * last)));
  return fraction * std::bit_cast<double>((1023 - whole) << 52U);
}

/// An exponentially weighted moving average (EWMA) over time. A new sample has the weight 1 - e^(-t / decay), where t
/// is the time since the sample before; the old average has the rest. So samples that come close together share the
/// weight of one sample. The first sample has the weight 1, and so has the first one after the average was forgotten:
/// 4.2 decays after its newest sample (see `weight_after`).
///
/// How: value and time share one word, so that both change together. The time is a 32-bit number of ticks; a decay has
/// 1024 to 2047 ticks. After one and a half million decays without a sample, the number wraps and an old sample seems
/// fresh again.
///
/// The clock may step back. If it is behind the newest sample by half a decay or less, as clocks of several threads may
/// be, nothing fades until it has caught up. If it is behind by a decay or more, the newest sample came from a clock
/// that was wrong: the average is unknown, and the next sample begins a new one at its own time.
/// Thread safety: all members may be called from many threads at once; lock-free.
class Ewma {
 public:
  /// Without samples at first: unknown.
  explicit Ewma(EwmaOptions fading) noexcept {
    const auto decay = std::max<std::int64_t>(fading.decay.count(), 1);
    constexpr std::uint64_t ticks = 1024;
    tick_shift_ = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(decay) / ticks | 1U)) - 1;
    constexpr double log2_e = 1.4426950408889634;
    halvings_per_tick_ = static_cast<double>(std::int64_t{1} << tick_shift_) / static_cast<double>(decay) * log2_e;
  }

  /// What a sample above the average does: it counts like any other (`slowly`), or replaces the average (`at_once`).
  enum class Rises : std::uint8_t { slowly, at_once };

  /// Adds a sample in seconds. A negative sample is ignored, because it comes from a clock that has stepped back. `now`
  /// is in nanoseconds.
  void add(double seconds, std::int64_t now, Rises rises) noexcept {
    if (seconds < 0) return;
    const float sample =
        std::max(static_cast<float>(seconds), std::numeric_limits<float>::min());  // a value of zero means unknown
    const std::uint32_t tick = tick_of(now);
    std::uint64_t seen = word_.load(std::memory_order_relaxed);
    std::uint64_t next = 0;
    do {
      const float old = value_of(seen);
      const std::uint32_t elapsed = ticks_since(seen, tick);
      float value = sample;
      if (old > 0 && !(rises == Rises::at_once && sample > old)) {
        const double kept = weight_after(elapsed * halvings_per_tick_);
        value = static_cast<float>(sample + (static_cast<double>(old) - sample) * kept);
      }
      const std::uint32_t at = old > 0 ? static_cast<std::uint32_t>(seen) + elapsed : tick;
      next = std::uint64_t{std::bit_cast<std::uint32_t>(value)} << 32U | at;
      // Relaxed: the word publishes no other data.
    } while (!word_.compare_exchange_weak(seen, next, std::memory_order_relaxed));
  }

  /// The average, with the weight e^(-t / decay), where t is the time since the newest sample; unknown without samples
  /// and after the average was forgotten.
  [[nodiscard]] Estimate at(std::int64_t now) const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    if (word == 0) return {};
    return {static_cast<double>(value_of(word)), weight_after(ticks_since(word, tick_of(now)) * halvings_per_tick_)};
  }

 private:
  [[nodiscard]] std::uint32_t tick_of(std::int64_t now) const noexcept {
    return static_cast<std::uint32_t>(now >> tick_shift_);
  }
  [[nodiscard]] static float value_of(std::uint64_t word) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(word >> 32U));
  }
  [[nodiscard]] static std::uint32_t ticks_since(std::uint64_t word, std::uint32_t tick) noexcept {
    const std::uint32_t ticks = tick - static_cast<std::uint32_t>(word);
    // The clock is behind by up to 1024 ticks, which is half a decay to one decay. If it is behind by more, the
    // difference is a very large number of ticks, and the average is forgotten.
    return ticks >= 0U - 1024U ? 0 : ticks;
  }

  std::atomic<std::uint64_t> word_{0};
  double halvings_per_tick_;
  unsigned tick_shift_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
