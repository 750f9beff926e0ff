// SPDX-License-Identifier: Apache-2.0
// PairRotation: the arithmetic of round robin, which maps a turn to an index on the first and on the second leg.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <pdroute/policy/detail/rotation_start.hpp>
#include <pdroute/random.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Maps a turn to an index of a rotation over `n` indices.
///
/// Two legs that both rotate by their turn move in lockstep: 2 x 2 endpoints use 2 of 4 pairs. So the second leg, which
/// knows the size of the first, skips one index whenever both rotations are back at the same pair. With s the turns
/// since `origin`, its index is (base + s + s / lcm(first, n)) % n. Every pair is used, and the counts of two pairs
/// differ by at most 1 after each `first * n` turns from `origin` on. A block between two skips is a whole number of
/// rotations and the first block begins at `origin`, so the counts of two indices never differ by more than 1 from
/// there on.
///
/// The base, where the rotation begins at `origin`, follows from the start and a hash of `origin`. So each change of
/// the candidates begins the rotation at another place. A place that followed from the turn would favour some
/// endpoints while another one comes and goes: with A and B there, and C in every other turn, A would always get the
/// even turns. The hash of origin 0 is 0.
///
/// The object remembers the last turn, so the next one costs an addition instead of three divisions.
class PairRotation {
 public:
  constexpr PairRotation() = default;
  /// `start` is the share of the way round at which the rotation starts, in units of 2^-32.
  constexpr explicit PairRotation(std::uint32_t start) noexcept : start_(start) {}

  /// The index of a turn. Precondition: n > 0. `first` is the number of candidates of the first leg. It is 0 on the
  /// first leg itself.
  [[gnu::always_inline]] inline std::size_t index(std::uint64_t turn, std::uint64_t origin, std::size_t first,
                                                  std::size_t n) noexcept {
    const std::uint64_t step = turn - turn_;
    turn_ = turn;
    if (n != n_ || first != first_ || origin != origin_ || step >= n) return restart(origin, first, n);
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
  /// Computes the index by the formula, and sets what `index` needs for the next additions.
  [[gnu::noinline, gnu::cold]] std::size_t restart(std::uint64_t origin, std::size_t first, std::size_t n) noexcept {
    origin_ = origin;
    first_ = first;
    n_ = n;
    block_ = first == 0 ? std::numeric_limits<std::uint64_t>::max() : std::lcm<std::uint64_t, std::uint64_t>(first, n);
    const std::uint64_t since = turn_ - origin;
    left_ = block_ - since % block_;
    index_ = (base() + since + since / block_) % n;
    if (turn_ < origin) n_ = 0;  // drawn before the change: the next turn does not go on from here
    return index_;
  }
  [[nodiscard]] std::size_t base() const noexcept {
    std::uint64_t hash = SplitMix64::mix(origin_);
    if (first_ != 0) hash = SplitMix64::mix(hash);  // the two legs often have the same origin
    return detail::index_at(start_ + static_cast<std::uint32_t>(hash >> 32U), n_);
  }

  std::uint32_t start_ = 0;
  std::uint64_t turn_ = 0;
  std::uint64_t origin_ = 0;
  std::uint64_t block_ = 0;  // turns between two skips
  std::uint64_t left_ = 0;   // turns until the second leg skips an index
  std::size_t first_ = 0;
  std::size_t n_ = 0;
  std::size_t index_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
