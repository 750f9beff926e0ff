// SPDX-License-Identifier: Apache-2.0
// CallerClock: the concept for the clock that the caller gives to a router.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {

/// An object with a `now()` that returns a `std::chrono::time_point` and counts whole nanoseconds or coarser:
/// `std::chrono::steady_clock`, `ManualClock`, or a gateway's own cached clock.
///
/// Requirements: the type is copyable, and `now()` is const and may be called from many threads at once. A clock may
/// stand still and may step back. Whatever depends on time then waits until the clock has caught up, or says how long
/// it waits at most.
///
/// Range: 146 years on either side of the clock's epoch. A time point outside counts as the nearest one inside, so for
/// a clock that counts from 1601, such as FILETIME, time would stand still: give it an epoch of this century.
///
/// A router reads no other clock. It reads this one when it is created, at most once per route, and once per `report`.
template <class C>
concept CallerClock = std::copy_constructible<C> && requires(const C& clock) {
  []<class Clock, class Duration>(std::chrono::time_point<Clock, Duration>) {}(clock.now());
  { clock.now().time_since_epoch() } -> std::convertible_to<std::chrono::nanoseconds>;
};

namespace detail {

/// The longest time that an option may ask for: a hundred years. A time point and this much more do not overflow.
inline constexpr std::chrono::hours longest_option{24 * 365 * 100};

/// The duration in nanoseconds; outside the range of 64 bits, the nearest end of that range.
template <class Rep, class Period>
[[nodiscard]] constexpr std::int64_t saturated_nanoseconds(std::chrono::duration<Rep, Period> duration) noexcept {
  static_assert(std::convertible_to<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>,
                "pdroute: a time must count whole nanoseconds or coarser units, as the router's clock does");
  using Count = std::common_type_t<Rep, std::int64_t>;
  using Unit = std::chrono::duration<std::int64_t, Period>;
  const auto count = static_cast<Count>(duration.count());
  if constexpr (!std::is_same_v<Unit, std::chrono::nanoseconds> || !std::is_same_v<Count, std::int64_t>) {
    // Compare in the caller's own unit, because a duration outside would overflow when it is converted.
    constexpr auto least = std::chrono::duration_cast<Unit>(std::chrono::nanoseconds::min()).count();
    constexpr auto most = std::chrono::duration_cast<Unit>(std::chrono::nanoseconds::max()).count();
    if (count > static_cast<Count>(most)) return std::chrono::nanoseconds::max().count();
    if (std::is_signed_v<Count> && count < static_cast<Count>(least)) return std::chrono::nanoseconds::min().count();
  }
  return std::chrono::nanoseconds{Unit{static_cast<std::int64_t>(count)}}.count();
}

/// The nanoseconds from the clock's epoch to `now`; outside the range of 64 bits, the nearest end of that range.
template <class Clock, class Duration>
[[nodiscard]] constexpr std::int64_t nanoseconds_of(std::chrono::time_point<Clock, Duration> now) noexcept {
  return saturated_nanoseconds(now.time_since_epoch());
}

/// The range of time points: 2^62 ns on either side of the epoch, so that the difference of two of them, and the sum of
/// one and a `longest_option`, fit into 64 bits.
inline constexpr std::int64_t latest_time = (std::int64_t{1} << 62U) - 1;
inline constexpr std::int64_t earliest_time = -latest_time - 1;

/// The time point, or the nearest one in range. Applied once to each time that comes in from outside: to the clock's
/// reading of a route, and to what leases and reports are told.
template <class Clock, class Duration>
[[nodiscard]] constexpr auto in_range(std::chrono::time_point<Clock, Duration> now) noexcept {
  const std::int64_t ticks = detail::nanoseconds_of(now);
  const std::uint64_t since_earliest = static_cast<std::uint64_t>(ticks) - static_cast<std::uint64_t>(earliest_time);
  if (since_earliest >> 63U == 0) [[likely]]  // one comparison for both ends
    return now;
  const std::chrono::nanoseconds nearest{ticks < 0 ? earliest_time : latest_time};
  return std::chrono::time_point<Clock, Duration>{std::chrono::duration_cast<Duration>(nearest)};
}

/// The clock of the router that `Owner`, such as a slot, belongs to; void where that is not known.
template <class Owner>
struct RouterClockOf {
  using Type = void;
};
template <class Owner>
  requires requires { typename Owner::RouterClock; }
struct RouterClockOf<Owner> {
  using Type = typename Owner::RouterClock;
};
/// Whether a time point of this clock may be given to `Owner`: the clock is that of its router, or the router's is not
/// known.
template <class Owner, class Clock>
inline constexpr bool takes_times_of =
    std::is_void_v<typename RouterClockOf<Owner>::Type> || std::is_same_v<typename RouterClockOf<Owner>::Type, Clock>;

/// The time points that `now()` of a caller's clock returns.
template <CallerClock C>
using TimePointOf = std::remove_cvref_t<decltype(std::declval<const C&>().now())>;

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
