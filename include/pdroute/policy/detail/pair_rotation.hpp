// SPDX-License-Identifier: Apache-2.0
// The arithmetic of taking turns: which index a turn means, on the first leg and on the second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Where in a rotation over `n` indices a turn stands. Two legs that both rotate by their turn move in lockstep: 2 x 2
/// endpoints use 2 of 4 pairs. So the second leg, which knows the size of the first, skips one index whenever both
/// rotations come round together: (turn + (turn - origin) / lcm(first, n)) % n. Every pair is used, each within 1 over
/// first * n turns. Blocks begin at `origin`, and each is a whole number of rotations, so the counts of two indices
/// never differ by more than 1 from there on.
///
/// Remembers the last turn: the next one costs an addition instead of three divisions.
class PairRotation {
 public:
  constexpr PairRotation() = default;
  /// `start`: what turn 0 means; reduced to an index, so that it may be any number.
  constexpr explicit PairRotation(std::uint32_t start) noexcept : start_(start) {}

  /// Precondition: n > 0. `first` is 0 for a leg that does not follow another; then `origin` does not matter.
  [[gnu::always_inline]] inline std::size_t index(std::uint32_t turn, std::uint32_t origin, std::size_t first,
                                                  std::size_t n) noexcept {
    const std::uint32_t step = turn - turn_;
    const bool wrapped = turn < turn_ || turn - origin < turn_ - origin;
    turn_ = turn;
    if (n != n_ || first != first_ || origin != origin_ || step >= n || wrapped) return restart(origin, first, n);
    std::size_t next = index_ + step;  // < 2 n - 1
    if (step >= left_) {
      left_ += block_;
      ++next;
    }
    left_ -= step;
    index_ = next < n ? next : next - n;
    return index_;
  }

 private:
  [[gnu::noinline, gnu::cold]] std::size_t restart(std::uint32_t origin, std::size_t first, std::size_t n) noexcept {
    origin_ = origin;
    first_ = first;
    n_ = n;
    block_ = first == 0 ? std::numeric_limits<std::uint64_t>::max() : std::lcm<std::uint64_t, std::uint64_t>(first, n);
    const std::uint32_t since = turn_ - origin;
    left_ = block_ - since % block_;
    index_ = (std::uint64_t{turn_} + start_ + since / block_) % n;
    return index_;
  }

  std::uint32_t start_ = 0;
  std::uint32_t turn_ = 0;
  std::uint32_t origin_ = 0;
  std::uint64_t block_ = 0;
  std::uint64_t left_ = 0;  // turns until the second leg skips an index
  std::size_t first_ = 0;
  std::size_t n_ = 0;
  std::size_t index_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
