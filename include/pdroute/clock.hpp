// SPDX-License-Identifier: Apache-2.0
// What the router asks of a clock. It reads no other clock than the one it is given, at most once per route.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// An object whose `now()` returns a `std::chrono::time_point` that counts whole nanoseconds or coarser:
/// `std::chrono::steady_clock`, `ManualClock`, or a gateway's own cached clock. `now()` is const and may be called from
/// many threads at once. A clock may stand still and may step back; what depends on time then waits until it has caught
/// up.
template <class C>
concept CallerClock = std::copy_constructible<C> && requires(const C& clock) {
  []<class Clock, class Duration>(std::chrono::time_point<Clock, Duration>) {}(clock.now());
  { clock.now().time_since_epoch() } -> std::convertible_to<std::chrono::nanoseconds>;
};

namespace detail {

template <class Clock, class Duration>
[[nodiscard]] constexpr std::int64_t nanoseconds_of(std::chrono::time_point<Clock, Duration> moment) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(moment.time_since_epoch()).count();
}

}  // namespace detail

}  // namespace v0
}  // namespace pdroute
