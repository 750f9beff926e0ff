// SPDX-License-Identifier: Apache-2.0
// OutlierState: what outlier detection remembers of one member.
#pragma once

#include <cstdint>
#include <pdroute/pool/outlier_detection.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What outlier detection remembers of one member. Times are nanoseconds of the caller's clock; counts are those of the
/// slot's outcomes.
struct OutlierState {
  EjectionPhase phase = EjectionPhase::none;  // never `spared` or `tripped`, which depend on others and on the slot
  std::uint32_t times = 0;                    // ejections without a long enough good time between them
  std::int64_t until = 0;                     // the end of the ejection, or of a probe that no request has decided
  std::int64_t since = 0;                     // when it last returned to full service
  bool seen = false;                          // whether the next members have been set
  std::int64_t window_begin = 0;
  std::uint64_t completed = 0;      // when the window began
  std::uint64_t failed = 0;         // when the window began
  std::int64_t last_sign = 0;       // when the last request had ended by itself or given tokens, or none was running
  std::uint64_t signs = 0;          // requests that had ended by themselves by then
  std::uint64_t cancelled = 0;      // requests that had been cancelled by then, and say something
  std::uint64_t all_cancelled = 0;  // the same, also of those that say nothing
  // Of the engine, if it has other endpoints: when one of them was last seen to have completed a request.
  std::uint64_t row_before = 0;        // the member's failures in a row by then
  std::uint64_t completed_before = 0;  // its completed requests by then

  [[nodiscard]] bool ejected() const noexcept { return phase == EjectionPhase::ejected; }
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
