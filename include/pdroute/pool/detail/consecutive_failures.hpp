// SPDX-License-Identifier: Apache-2.0
// Counts failures in a row, without anything to do for those who complete.
#pragma once

#include <atomic>
#include <cstdint>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A row of failures is one during which the number of completions has stood still, so only a failure looks at it.
/// Thread safety: all members may be called from many threads at once; lock-free. Failures at the same moment as the
/// first completion after others may count to either row.
class ConsecutiveFailures {
 public:
  /// An endpoint has failed after so many completions.
  void failed(std::uint64_t completed) noexcept {
    if (completed_.load(std::memory_order_relaxed) == completed) {
      length_.fetch_add(1, std::memory_order_relaxed);
    } else {
      length_.store(1, std::memory_order_relaxed);
      completed_.store(completed, std::memory_order_relaxed);
    }
  }
  /// The failures since the last completion, of which there have been so many.
  [[nodiscard]] std::uint32_t length(std::uint64_t completed) const noexcept {
    return completed_.load(std::memory_order_relaxed) == completed ? length_.load(std::memory_order_relaxed) : 0;
  }
  /// Forgets them.
  void restart() noexcept { length_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> completed_{0};  // at the last failure
  std::atomic<std::uint32_t> length_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
