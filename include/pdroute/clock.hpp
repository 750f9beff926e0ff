// SPDX-License-Identifier: Apache-2.0
// CallerClock: the concept for the clock that the caller gives to a router.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// An object with a `now()` that returns a `std::chrono::time_point` and counts whole nanoseconds or coarser:
/// `std::chrono::steady_clock`, `ManualClock`, or a gateway's own cached clock.
///
/// Requirements: the type is copyable, and `now()` is const and may be called from many threads at once. A clock may
/// stand still and may step back. Whatever depends on time then waits until the clock has caught up.
///
/// A router reads no other clock. It reads this one at most once per route, and once per `report`.
template <class C>
concept CallerClock = std::copy_constructible<C> && requires(const C& clock) {
  []<class Clock, class Duration>(std::chrono::time_point<Clock, Duration>) {}(clock.now());
  { clock.now().time_since_epoch() } -> std::convertible_to<std::chrono::nanoseconds>;
};

namespace detail {

/// The nanoseconds from the clock's epoch to `moment`, rounded towards zero.
template <class Clock, class Duration>
[[nodiscard]] constexpr std::int64_t nanoseconds_of(std::chrono::time_point<Clock, Duration> moment) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(moment.time_since_epoch()).count();
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
