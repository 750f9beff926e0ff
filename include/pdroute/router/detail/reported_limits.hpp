// SPDX-License-Identifier: Apache-2.0
// Limits on what engines report, as a leg applies them: an endpoint that has reached one counts as full.
#pragma once

#include <concepts>
#include <pdroute/load/engine_reports.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Whether the slot has reached a limit of `EngineReports::Options`. Reads the time only in a role with such a limit.
/// Inlined by force: it is nothing in a role without reports.
template <class Slot, class Clock>
[[nodiscard, gnu::always_inline]] inline bool at_reported_limit(const Slot& slot, Clock& clock) {
  if constexpr (std::derived_from<Slot, EngineReports>) {
    if (!slot.limited()) [[likely]]
      return false;
    return slot.at_limit(clock.now(), EngineReports::Own::of(slot));
  } else {
    return false;
  }
}

/// The time of a choice as a value, for `at_reported_limit`; empty in a role without reports. Passed instead of the
/// context, which can then stay in registers.
struct NoTime {};
template <class TimePoint>
struct TimeOfChoice {
  TimePoint time;
  [[nodiscard]] TimePoint now() const noexcept { return time; }
};
template <class Slot, class Clock>
[[nodiscard, gnu::always_inline]] inline auto time_of_choice(Clock& clock) {
  if constexpr (std::derived_from<Slot, EngineReports>) {
    return TimeOfChoice<decltype(clock.now())>{clock.now()};
  } else {
    return NoTime{};
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
