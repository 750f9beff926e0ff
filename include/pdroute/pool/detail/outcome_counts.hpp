// SPDX-License-Identifier: Apache-2.0
// OutcomeCounts: counts the endings of leases other than completions.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <pdroute/outcome.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Completions are by far the most frequent ending, so they are not counted here but computed from the number of leases
/// begun; see `Slot::outcomes`.
/// Thread safety: all members may be called from many threads at once; lock-free.
class OutcomeCounts {
 public:
  /// A number that names no kind, such as a bad cast at a C interface, counts as bad_response.
  void failed(FailureKind kind) noexcept {
    add(static_cast<std::size_t>(kind <= FailureKind::overloaded ? kind : FailureKind::bad_response));
  }
  void cancelled() noexcept { add(cancelled_place); }
  void rejected() noexcept { add(rejected_place); }
  /// One of those cancelled has left staged KV behind.
  void abandoned() noexcept { add(abandoned_place); }
  /// The router has taken a reservation back, as if it had never been made.
  void undone() noexcept { add(undone_place); }

  /// The request that is about to count as failed, or cancelled, is of before the endpoint was last taken back.
  void failed_late() noexcept { add(failed_late_place); }
  void cancelled_late() noexcept { add(cancelled_late_place); }
  struct Late {
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;
  };
  [[nodiscard]] Late late() const noexcept {
    return {.failed = read(failed_late_place), .cancelled = read(cancelled_late_place)};
  }

  [[nodiscard]] std::uint64_t undone_so_far() const noexcept { return read(undone_place); }
  /// All counts but `completed`, which is zero.
  [[nodiscard]] Outcomes so_far() const noexcept {
    return {.rejected = read(rejected_place),
            .cancelled = read(cancelled_place),
            .abandoned = read(abandoned_place),
            .unreachable = read(static_cast<std::size_t>(FailureKind::unreachable)),
            .timed_out = read(static_cast<std::size_t>(FailureKind::timed_out)),
            .bad_response = read(static_cast<std::size_t>(FailureKind::bad_response)),
            .overloaded = read(static_cast<std::size_t>(FailureKind::overloaded))};
  }

  /// All counts. `ended_in_all()` is how many leases have ended. `completed` never falls, and may lag by those just
  /// ending.
  template <class Ended>
  [[nodiscard]] Outcomes outcomes(const Ended& ended_in_all) const noexcept {
    const std::uint64_t ended = ended_in_all();  // first: other endings are counted before their lease is released
    Outcomes outcomes = so_far();
    const std::uint64_t others =
        outcomes.failed() + outcomes.overloaded + outcomes.cancelled + outcomes.rejected + undone_so_far();
    const std::uint64_t completed = ended > others ? ended - others : 0;  // so never too high
    outcomes.completed = completed_.load(std::memory_order_relaxed);
    while (outcomes.completed < completed &&
           !completed_.compare_exchange_weak(outcomes.completed, completed, std::memory_order_relaxed)) {
    }
    outcomes.completed = std::max(outcomes.completed, completed);
    return outcomes;
  }

 private:
  static constexpr std::size_t cancelled_place = 4;
  static constexpr std::size_t undone_place = 5;
  static constexpr std::size_t rejected_place = 6;
  static constexpr std::size_t failed_late_place = 7;
  static constexpr std::size_t cancelled_late_place = 8;
  static constexpr std::size_t abandoned_place = 9;

  // Relaxed: the release of the lease, which follows, orders it.
  void add(std::size_t place) noexcept { counts_[place].fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t read(std::size_t place) const noexcept {
    return counts_[place].load(std::memory_order_relaxed);
  }

  std::array<std::atomic<std::uint64_t>, 10> counts_{};
  mutable std::atomic<std::uint64_t> completed_{0};  // as reported
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
