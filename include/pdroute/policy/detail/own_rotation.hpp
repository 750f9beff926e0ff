// SPDX-License-Identifier: Apache-2.0
// OwnRotation: the rotation of one dispatcher, which goes on after the endpoint chosen last.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <pdroute/policy/detail/rotation_start.hpp>
#include <pdroute/random.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The place at which a rotation goes on that would have gone on at `next` before the candidates changed: after the
/// candidate that was before `next`; or, if that one has gone, at the first of its successors that is still there.
/// Candidates are told apart by their addresses, so those of `before` must still be alive. Precondition: `now` is not
/// empty.
/// O(changes) if few candidates have changed, at most 64 searches of O(n).
template <class Candidates>
[[nodiscard]] std::size_t place_after_change(const Candidates& before, const Candidates& now, std::size_t next) {
  constexpr std::size_t max_searches = 64;  // more have left at once only when nearly all have
  const std::size_t last = next == 0 ? before.size() - 1 : next - 1;
  const auto place_of = [&](const auto* candidate, std::size_t near) -> std::size_t {
    for (std::size_t away = 0; away < now.size(); ++away) {  // outwards, because most changes move it by few places
      if (near + away < now.size() && &now[near + away] == candidate) return near + away;
      if (away <= near && near - away < now.size() && &now[near - away] == candidate) return near - away;
    }
    return now.size();
  };
  for (std::size_t k = 0; k < std::min(before.size(), max_searches); ++k) {
    const std::size_t candidate = (last + k) % before.size();
    const std::size_t place = place_of(&before[candidate], std::min(candidate, now.size() - 1));
    if (place < now.size()) return (place + (k == 0 ? 1 : 0)) % now.size();
  }
  return next % now.size();
}

/// Where the next choice of a dispatcher starts, so that equal candidates take turns in registration order.
///
/// Two legs over equal endpoints could move in lockstep: 2 x 2 endpoints would use 2 of 4 pairs (see `PairRotation`).
/// So if the numbers of endpoints have a common divisor, the second leg skips one index after every lcm(first, n)
/// choices, when both legs are back at the same pair. After a change of the candidates, the first skip may come one
/// block later, by a hash: otherwise an endpoint that comes and goes in step with the blocks would make the same one be
/// skipped.
class OwnRotation {
 public:
  constexpr OwnRotation() = default;
  /// `start` is the share of the way round at which the first choice starts.
  constexpr explicit OwnRotation(std::uint32_t start) noexcept : start_(start) {}

  /// The index at which to start. Precondition: n > 0. `first` is the number of candidates of the first leg; it is 0 on
  /// the first leg itself.
  [[nodiscard, gnu::always_inline]] inline std::size_t next(std::size_t first, std::size_t n) noexcept {
    if (first != first_ || n != n_) [[unlikely]] {
      resize(first, n);
    } else if (left_ == 0) {
      left_ = block_;
      ++next_;
    }
    --left_;
    return next_ < n ? next_ : next_ % n;
  }
  /// Remembers the choice: the next one starts after it.
  void chose(std::size_t index) noexcept { next_ = index + 1; }

  /// The candidates have changed: goes on after the one chosen last, wherever it stands now.
  template <class Candidates>
  void candidates_changed(const Candidates& before, const Candidates& now) {
    ++changes_;
    if (now.size() == 0) return;  // goes on at this index when there are some again
    if (n_ == 0) {
      next_ = detail::index_at(start_, now.size());
    } else if (before.size() != 0) {
      next_ = detail::place_after_change(before, now, next_ % before.size());
    }
  }

  /// The position to return to when the router takes a choice back. One from before a change is not returned to.
  struct Cursor {
    std::size_t next;
    std::uint64_t left;
    std::uint32_t changes;
  };
  [[nodiscard]] Cursor cursor() const noexcept { return {next_, left_, changes_}; }
  void go_back(const Cursor& cursor) noexcept {
    if (cursor.changes != changes_) return;
    next_ = cursor.next;
    left_ = cursor.left > 2 * block_ ? block_ : cursor.left;  // the blocks may have been longer
  }

 private:
  [[gnu::noinline, gnu::cold]] void resize(std::size_t first, std::size_t n) noexcept {
    const bool begins = n_ == 0;
    if (begins) next_ = detail::index_at(start_, n);
    first_ = first;
    n_ = n;
    const bool skips = first != 0 && std::gcd(first, n) > 1;
    block_ = skips ? std::lcm<std::uint64_t, std::uint64_t>(first, n) : std::numeric_limits<std::uint64_t>::max();
    const bool later = skips && !begins && SplitMix64::mix(++resizes_) % 2 == 0;
    left_ = later ? 2 * block_ : block_;
  }

  std::size_t next_ = 0;                                            // index after the last choice
  std::uint64_t left_ = std::numeric_limits<std::uint64_t>::max();  // choices until the next skip
  std::size_t first_ = 0;
  std::size_t n_ = 0;
  std::uint64_t block_ = 0;  // choices between two skips
  std::uint32_t start_ = 0;
  std::uint32_t changes_ = 0;
  std::uint32_t resizes_ = 0;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
