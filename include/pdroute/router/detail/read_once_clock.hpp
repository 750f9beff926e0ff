// SPDX-License-Identifier: Apache-2.0
// The caller's clock for the time of one route: read at most once.
#pragma once

#include <memory>
#include <pdroute/clock.hpp>
#include <type_traits>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A clock that is read when first asked and then stands still: one route, at most one clock read.
template <CallerClock Clock>
class ReadOnceClock {
 public:
  constexpr explicit ReadOnceClock(const Clock& clock) noexcept : clock_(std::addressof(clock)) {}
  ReadOnceClock(const Clock&&) = delete;  // would be gone at the reading

  [[nodiscard]] constexpr auto now() {
    if (!read_) {
      moment_ = detail::in_range(clock_->now());
      read_ = true;
    }
    return moment_;
  }

 private:
  const Clock* clock_;
  std::remove_cvref_t<decltype(std::declval<const Clock&>().now())> moment_{};
  bool read_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
