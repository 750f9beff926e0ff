// SPDX-License-Identifier: Apache-2.0
// ConsecutiveFailures: counts failures in a row at no cost to completions.
#pragma once

#include <atomic>
#include <cstdint>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The number of failures since the last completion. Failures are in a row if no request completes between them. So
/// only `failed` compares the number of completions; a completion writes nothing here.
///
///     operation              | completions as at the last failure | completions have risen since
///     -----------------------+------------------------------------+-----------------------------
///     failed(completed)      | length + 1                         | a new row: length is 1
///     length(completed)      | length                             | 0
///     restart()              | length is 0                        | length is 0
///
/// Thread safety: all members may be called from many threads at once; lock-free. All accesses are relaxed: the numbers
/// order no other memory. A failure at the moment of the first completion after others may count to either row.
class ConsecutiveFailures {
 public:
  /// A request has failed; `completed` requests have completed so far.
  void failed(std::uint64_t completed) noexcept {
    if (completed_.load(std::memory_order_relaxed) == completed) {
      length_.fetch_add(1, std::memory_order_relaxed);
    } else {
      length_.store(1, std::memory_order_relaxed);
      completed_.store(completed, std::memory_order_relaxed);
    }
  }
  /// The failures in the present row, given the number of completions so far.
  [[nodiscard]] std::uint32_t length(std::uint64_t completed) const noexcept {
    return completed_.load(std::memory_order_relaxed) == completed ? length_.load(std::memory_order_relaxed) : 0;
  }
  /// Begins a new row.
  void restart() noexcept { length_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> completed_{0};  // at the last failure
  std::atomic<std::uint32_t> length_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
