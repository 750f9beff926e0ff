// SPDX-License-Identifier: Apache-2.0
// WeightedRotation: the arithmetic of weighted round robin, which maps a turn to an index.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <pdroute/policy/detail/rotation_start.hpp>
#include <pdroute/policy/detail/weighted_choice.hpp>
#include <pdroute/random.hpp>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Measures how unevenly a walk by `stride` visits a circle of `circle` places. An arc is a run of consecutive places.
/// The wait of an arc is the number of steps between two visits to any of its places. The result is the highest product
/// of an arc's length and its longest wait, over all lengths. It is 0 if the walk misses places or if the product
/// passes `limit`. For comparison, the mean wait times the length is `circle`.
///
/// The computation uses the three-distance theorem (Sós 1958). `down` and `up` are the closest distances at which the
/// walk has passed its start on either side, after `late_down` and `late_up` steps. An arc that is longer than both and
/// shorter than their sum waits late_down + late_up steps at worst.
[[nodiscard]] constexpr std::uint64_t longest_wait(std::uint64_t circle, std::uint64_t stride,
                                                   std::uint64_t limit) noexcept {
  std::uint64_t longest = circle;
  std::uint64_t down = stride;
  std::uint64_t late_down = 1;
  std::uint64_t up = circle - stride;
  std::uint64_t late_up = 1;
  while (down != 0 && up != 0) {
    longest = std::max(longest, (late_down + late_up) * (down + up - 1));
    if (longest > limit) return 0;
    if (down > up) {
      down -= up;
      late_down += late_up;
    } else {
      up -= down;
      late_up += late_down;
    }
  }
  return down + up == 1 ? longest : 0;
}

/// The stride nearest to the golden section of the circle with two properties: the walk visits every place, and no arc
/// waits longer than three times its mean. The golden section itself would give 1.9 times. But only some strides are
/// coprime to the circle, and the nearest coprime stride may be far worse: 19 times for 5040 places. O(log circle) per
/// stride that is tried, and few are tried.
[[nodiscard]] constexpr std::uint64_t spreading_stride(std::uint64_t circle) noexcept {
  constexpr std::uint64_t golden = 0x9e3779b9;  // (sqrt(5) - 1) / 2 in units of 2^-32
  const std::uint64_t middle = circle * golden >> 32U;
  for (std::uint64_t step = 0; step < circle; ++step) {
    for (const std::uint64_t stride : {middle + step, middle - step}) {
      if (0 < stride && stride < circle && longest_wait(circle, stride, 3 * circle) != 0) return stride;
    }
  }
  return 1;  // a circle of one or two places
}

/// Maps a turn to an index. Each index i gets weight(i) of every sum(weights) turns.
///
/// How: the endpoints lie on a circle, and each covers as many places as its weight. Turn t is at place (t * stride)
/// mod circle. So `circle` turns visit each place once, in whatever order dispatchers draw them. A table of guides, one
/// for every 2^shift places, gives the endpoint where the search for a place begins. The search takes less than one
/// step on average over the circle.
///
/// Source of the table: Chen and Asau, "On generating random variates from an empirical distribution", 1974. There the
/// places are random; here each place comes once.
class WeightedRotation {
 public:
  constexpr WeightedRotation() = default;
  /// `start` is the share of the way round the circle at which the rotation starts, in units of 2^-32.
  constexpr explicit WeightedRotation(std::uint32_t start) noexcept : start_(start) {}

  /// True if the table was built for `n` candidates of this generation, and is not empty.
  [[nodiscard]] bool fits(std::size_t n, std::uint64_t generation) const noexcept {
    return n == n_ && generation == generation_;
  }
  /// True if all weights are 0, or if no table has been built.
  [[nodiscard]] bool empty() const noexcept { return circle_ == 0; }

  /// Builds the table. O(n). Allocates if there are more candidates than ever before.
  template <class Candidates>
  [[gnu::noinline, gnu::cold]] void build(const Candidates& candidates, std::uint64_t generation) {
    circle_ = 0;  // until the table is complete, because an allocation may throw
    n_ = 0;
    ends_.clear();
    guides_.clear();
    unit_ = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) unit_ = std::gcd(unit_, candidate_weight(candidates[i]));
    if (unit_ == 0) return;
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      end += candidate_weight(candidates[i]) / unit_;
      ends_.push_back(end);
    }
    shift_ = 0;
    while (end >> (shift_ + 1) >= ends_.size()) ++shift_;  // gives n to 2 n guides
    std::uint32_t i = 0;
    for (std::uint64_t place = 0; place < end; place += std::uint64_t{1} << shift_) {
      while (place >= ends_[i]) ++i;
      guides_.push_back(i);
    }
    stride_ = spreading_stride(end);
    generation_ = generation;
    circle_ = end;
    n_ = ends_.size();
    begin(origin_, block_);
  }

  // Precondition of all members below: not `empty()`.

  /// The weight of the i-th candidate when the table was built.
  [[nodiscard]] std::uint64_t weight(std::size_t i) const noexcept {
    return (ends_[i] - (i == 0 ? 0 : ends_[i - 1])) * unit_;
  }
  /// The index of a turn. `first` is the number of candidates of the first leg; it is 0 on the first leg itself.
  /// Each change of the candidates, which `origin` tells, begins at another place, so that none is favoured while
  /// another one comes and goes. Two legs that both rotate by their turn would move in lockstep: 2 x 2 endpoints would
  /// use 2 of 4 pairs. So the second leg turns the circle by a new angle for each block of `circle` turns from `origin`
  /// on.
  [[nodiscard, gnu::always_inline]] inline std::size_t index(std::uint64_t turn, std::uint64_t origin,
                                                             std::size_t first) noexcept {
    const std::uint64_t since = turn - origin;
    const std::uint64_t block = first != 0 ? since / circle_ + 1 : 0;
    if (origin != origin_ || block != block_) [[unlikely]]
      begin(origin, block);
    return owner((begin_ + since % circle_ * stride_) % circle_);
  }

  /// The index of the endpoint that covers a place. Precondition: `place` < the size of the circle.
  [[nodiscard, gnu::always_inline]] inline std::size_t owner(std::uint64_t place) const noexcept {
    std::size_t i = guide(place);
    while (place >= ends_[i]) ++i;
    return i;
  }
  /// The index at which the search for that endpoint begins. Precondition: `place` < the size of the circle.
  [[nodiscard]] std::size_t guide(std::uint64_t place) const noexcept { return guides_[place >> shift_]; }

 private:
  [[gnu::noinline]] void begin(std::uint64_t origin, std::uint64_t block) noexcept {
    origin_ = origin;
    block_ = block;
    const auto hash = static_cast<std::uint32_t>(SplitMix64::mix(origin) >> 32U);
    begin_ = detail::index_at(start_ + hash, circle_);
    if (block != 0) begin_ += SplitMix64::mix(origin + block) % circle_;
  }

  std::vector<std::uint64_t> ends_;    // the place after the last one of each endpoint
  std::vector<std::uint32_t> guides_;  // the endpoint that covers each (2^shift)-th place
  std::uint64_t circle_ = 0;           // number of places; 0 without a table
  std::size_t n_ = 0;                  // number of candidates; 0 without a table
  std::uint64_t stride_ = 0;
  std::uint64_t begin_ = 0;  // the place of the first turn of the block
  std::uint64_t origin_ = 0;
  std::uint64_t block_ = 0;  // on the second leg: the number of the block, plus 1
  std::uint64_t unit_ = 0;   // the greatest common divisor of the weights
  std::uint64_t generation_ = 0;
  std::uint32_t start_ = 0;
  unsigned shift_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
