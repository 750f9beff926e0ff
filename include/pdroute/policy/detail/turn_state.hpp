// SPDX-License-Identifier: Apache-2.0
// TurnState: what a dispatcher remembers for a policy that takes endpoints in turn by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pdroute/policy/detail/own_rotation.hpp>
#include <pdroute/policy/detail/rest_rotation.hpp>
#include <pdroute/policy/detail/rotation_start.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A rotation over all eligible candidates, and one for each set that filters or full endpoints leave.
class TurnState {
 public:
  constexpr TurnState() = default;
  /// Starts where this dispatcher starts.
  constexpr explicit TurnState(std::uint64_t stream) noexcept : all_(detail::own_start(stream)) {}

  /// The index at which to start. Precondition: not empty.
  template <class Candidates, class Context>
  [[nodiscard, gnu::always_inline]] inline std::size_t next(const Candidates& candidates, Context& context) {
    return context.narrowed() ? rest_.next(candidates, context) : all_.next(context.first_size(), candidates.size());
  }
  /// Remembers the choice that `next` was asked for.
  template <class Candidates, class Context>
  void chose(std::size_t index, const Candidates& candidates, const Context& context) noexcept {
    if (context.narrowed()) {
      rest_.chose(index, candidates.size());
    } else {
      all_.chose(index);
    }
  }
  /// Whether `next` would start at random.
  template <class Candidates, class Context>
  [[nodiscard]] bool at_random(const Candidates& candidates, const Context& context) const {
    return context.narrowed() && !rest_.knows(candidates);
  }

  template <class Candidates>
  void candidates_changed(const Candidates& before, const Candidates& now) {
    all_.candidates_changed(before, now);
  }

  /// The position to return to when the router takes a choice back.
  struct Cursor {
    OwnRotation::Cursor all;
    std::uint32_t rest;
  };
  [[nodiscard]] Cursor cursor() const noexcept { return {all_.cursor(), rest_.cursor()}; }
  void go_back(const Cursor& cursor) noexcept {
    all_.go_back(cursor.all);
    rest_.go_back(cursor.rest);
  }

 private:
  OwnRotation all_;
  RestRotation rest_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
