// SPDX-License-Identifier: Apache-2.0
// The arithmetic of taking turns by weight: which index a turn means.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <pdroute/policy/detail/weighted_choice.hpp>
#include <pdroute/random.hpp>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// How long an arc of a circle of `circle` places waits at worst between two visits of a walk by `stride`, times its
/// length: over all lengths, the highest such product; 0 if the walk misses places or the product passes `limit`.
/// The mean wait times the length is `circle`. By the three-distance theorem (Sós 1958): `down` and `up` are the
/// closest that the walk has come to its start from either side, after `late_down` and `late_up` steps; an arc longer
/// than both and shorter than their sum waits for late_down + late_up steps at worst.
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

/// The stride nearest to the golden section of the circle by which a walk visits every place, and no arc waits longer
/// than three times its mean. The golden section itself would make that 1.9, but only some strides are coprime to the
/// circle, and a coprime neighbour may be far worse: 19 times for 5040 places. O(log circle) per stride that is tried,
/// of which there are few.
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

/// Each index i gets weight(i) of every sum(weights) turns.
///
/// How: lay the endpoints on a circle, each over as many places as it weighs. Turn t stands at place (t * stride) mod
/// circle, which visits each place once in `circle` turns, whoever draws them. Whose place it is, is found from a table
/// of guides, one in every 2^shift places, by a walk of less than one step on average over the circle (Chen and Asau,
/// "On generating random variates from an empirical distribution", 1974; here each place comes once, not at random).
class WeightedRotation {
 public:
  constexpr WeightedRotation() = default;
  constexpr explicit WeightedRotation(std::uint32_t first_turn) noexcept : first_turn_(first_turn) {}

  /// Whether the table is for so many candidates of this generation.
  [[nodiscard]] bool fits(std::size_t n, std::uint64_t generation) const noexcept {
    return circle_ != 0 && n == ends_.size() && generation == generation_;
  }
  /// Whether nobody weighs anything.
  [[nodiscard]] bool empty() const noexcept { return circle_ == 0; }

  /// O(n); allocates if there are more candidates than there ever were.
  template <class Candidates>
  [[gnu::noinline, gnu::cold]] void build(const Candidates& candidates, std::uint64_t generation) {
    circle_ = 0;  // until all is done, for an allocation may throw
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
    while (end >> (shift_ + 1) >= ends_.size()) ++shift_;  // so that there are n to 2 n guides
    std::uint32_t i = 0;
    for (std::uint64_t place = 0; place < end; place += std::uint64_t{1} << shift_) {
      while (place >= ends_[i]) ++i;
      guides_.push_back(i);
    }
    stride_ = spreading_stride(end);
    start_ = first_turn_ * stride_ % end;
    generation_ = generation;
    circle_ = end;
  }

  // Precondition for all that follow: not `empty()`.

  [[nodiscard]] std::uint64_t weight(std::size_t i) const noexcept {
    return (ends_[i] - (i == 0 ? 0 : ends_[i - 1])) * unit_;
  }
  /// `first` is 0 for a leg that does not follow another. Two legs that both rotate by their turn would go in lockstep:
  /// two endpoints each would use 2 of 4 pairs. So the second leg turns the circle by a new angle for every `circle`
  /// turns from `origin` on.
  [[nodiscard, gnu::always_inline]] inline std::size_t index(std::uint32_t turn, std::uint32_t origin,
                                                             std::size_t first) const noexcept {
    std::uint64_t place = start_;
    if (first == 0) {
      place += turn * stride_;
    } else {
      const std::uint32_t since = turn - origin;
      place += since * stride_ + SplitMix64::mix(since / circle_ + 1) % circle_;
    }
    place %= circle_;
    return owner(place);
  }

  /// Whose place it is, and where the search for that begins. Precondition: there is such a place.
  [[nodiscard, gnu::always_inline]] inline std::size_t owner(std::uint64_t place) const noexcept {
    std::size_t i = guide(place);
    while (place >= ends_[i]) ++i;
    return i;
  }
  [[nodiscard]] std::size_t guide(std::uint64_t place) const noexcept { return guides_[place >> shift_]; }

 private:
  std::vector<std::uint64_t> ends_;    // of each endpoint's places
  std::vector<std::uint32_t> guides_;  // who owns each (2^shift)-th place
  std::uint64_t circle_ = 0;           // places
  std::uint64_t stride_ = 0;
  std::uint64_t start_ = 0;  // the place of turn 0
  std::uint64_t unit_ = 0;   // what all weights can be divided by
  std::uint64_t generation_ = 0;
  std::uint32_t first_turn_ = 0;
  unsigned shift_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
