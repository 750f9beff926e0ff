// SPDX-License-Identifier: Apache-2.0
// RestRotation: a rotation of its own for each set of endpoints that filters or full endpoints have left.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/candidates.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// One dispatcher's rotations over sets of candidates that are only some of the eligible ones. Requests of one model,
/// or of one tenant, leave the same set again and again; so each set has a place at which its rotation goes on. One
/// rotation for all sets would starve some endpoints and flood others.
///
/// A set is known by a hash of the incarnations in it. The 32 sets used last are remembered, roughly: a new one takes
/// the place of the one used longest ago among four. A set that is not remembered starts at random, so that an endpoint
/// gains nothing when sets are forgotten, and clients that send ever new filters gain nothing either. A set of more
/// than 64 starts at random each time, because hashing it would take longer than the choice.
///
/// On the second leg, each round over a set begins at random: a set of decode endpoints that fit two prefill endpoints
/// would otherwise move in lockstep with them, and 2 x 2 endpoints would use 2 of 4 pairs.
///
/// Complexity: O(size of the set), no allocation.
/// Thread safety: thread-compatible, like the dispatcher that owns it.
class RestRotation {
 public:
  static constexpr std::size_t max_size = 64;  ///< of a set that is remembered

  /// The index at which to start. Precondition: not empty.
  template <class Candidates, class Context>
  [[nodiscard]] std::size_t next(const Candidates& candidates, Context& context) {
    const auto n = static_cast<std::uint32_t>(candidates.size());
    const std::optional<std::uint64_t> set = set_of(candidates);
    last_ = 0;
    if (!set) return context.below(n);
    std::size_t place = find(*set);
    if (sets_[place].set != *set) {
      place = oldest_of_row(*set);
      sets_[place] = {.set = *set, .next = static_cast<std::uint16_t>(context.below(n))};
    } else if (sets_[place].left == 0 && context.first_size() != 0) {
      sets_[place].next = static_cast<std::uint16_t>(context.below(n));
    }
    if (sets_[place].left == 0) sets_[place].left = static_cast<std::uint16_t>(n);
    --sets_[place].left;
    sets_[place].used = ++uses_;
    last_ = place + 1;
    return sets_[place].next < n ? sets_[place].next : 0;
  }
  /// Remembers the choice that `next` was asked for: this set goes on after it.
  void chose(std::size_t index, std::size_t n) noexcept {
    if (last_ != 0) sets_[last_ - 1].next = static_cast<std::uint16_t>(index + 1 == n ? 0 : index + 1);
  }
  /// Whether `next` would go on with a rotation, rather than start one.
  template <class Candidates>
  [[nodiscard]] bool knows(const Candidates& candidates) const {
    const std::optional<std::uint64_t> set = set_of(candidates);
    return set && sets_[find(*set)].set == *set;
  }

  /// The moment to return to when the router takes choices back.
  [[nodiscard]] std::uint32_t cursor() const noexcept { return uses_; }
  /// Forgets the sets used since that moment: they start at random again.
  void go_back(std::uint32_t cursor) noexcept {
    if (cursor == uses_) return;
    for (Set& each : sets_) {
      if (uses_ - each.used < uses_ - cursor) each = {};
    }
  }

 private:
  struct Set {
    std::uint64_t set = 0;   // 0 for none
    std::uint16_t next = 0;  // the index at which it goes on
    std::uint16_t left = 0;  // choices until the round is complete
    std::uint32_t used = 0;  // the number of its last use
  };
  static constexpr std::size_t ways = 4;  // one cache line
  static constexpr std::size_t rows = 8;

  /// A number for the set, never 0; none if it is not remembered.
  template <class Candidates>
  [[nodiscard]] static std::optional<std::uint64_t> set_of([[maybe_unused]] const Candidates& candidates) {
    if constexpr (IncarnatedCandidates<Candidates>) {
      if (candidates.size() > max_size) return std::nullopt;
      std::uint64_t set = candidates.size();
      for (std::size_t i = 0; i < candidates.size(); ++i)
        set = (set ^ static_cast<std::uint64_t>(candidates[i].incarnation())) * 0x9e3779b97f4a7c15U;
      return set | 1U;
    } else {
      return std::nullopt;
    }
  }
  [[nodiscard]] static std::size_t row_of(std::uint64_t set) noexcept { return (set >> 61U) * ways; }
  /// Where the set is, or any other place of its row.
  [[nodiscard]] std::size_t find(std::uint64_t set) const noexcept {
    std::size_t place = row_of(set);
    for (std::size_t way = 1; way < ways && sets_[place].set != set; ++way) ++place;
    return place;
  }
  [[nodiscard]] std::size_t oldest_of_row(std::uint64_t set) const noexcept {
    std::size_t oldest = row_of(set);
    for (std::size_t place = oldest + 1; place < row_of(set) + ways; ++place) {
      if (uses_ - sets_[place].used > uses_ - sets_[oldest].used) oldest = place;
    }
    return oldest;
  }

  std::array<Set, ways * rows> sets_{};
  std::size_t last_ = 0;  // the place used last, plus 1; 0 for none
  std::uint32_t uses_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
