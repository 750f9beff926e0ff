// SPDX-License-Identifier: Apache-2.0
// Reads the optional members of a policy, with defaults for a policy that has none.
#pragma once

#include <cstdint>
#include <pdroute/load/detail/load_of.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The state of a policy that remembers nothing.
struct NoState {};

/// The state of a policy for one leg of one dispatcher.
template <class Policy>
[[nodiscard]] constexpr auto make_state(const Policy& policy, std::uint64_t stream) {
  if constexpr (requires { policy.make_state(stream); }) {
    return policy.make_state(stream);
  } else {
    return NoState{};
  }
}

/// The type of a policy's state.
template <class Policy>
using StateOf = decltype(detail::make_state(std::declval<const Policy&>(), 0));

/// Whether the policy may choose endpoints that take bound sessions only, because it says so.
template <class Policy>
inline constexpr bool reaches_bound_only = requires { requires Policy::reaches_bound_only; };

/// The position of a state, to return to later. Empty for a state without a member `cursor`.
template <class State>
[[nodiscard]] constexpr auto cursor_of(const State& state) {
  if constexpr (requires { state.cursor(); }) {
    return state.cursor();
  } else {
    return NoState{};
  }
}
/// Returns a state to a position, if it has a member `go_back`.
template <class State, class Cursor>
constexpr void go_back(State& state, const Cursor& cursor) {
  if constexpr (requires { state.go_back(cursor); }) state.go_back(cursor);
}
/// Tells a state that its candidates have changed, if it has a member `candidates_changed`.
template <class State, class Candidates>
constexpr void candidates_changed(State& state, const Candidates& before, const Candidates& now) {
  if constexpr (requires { state.candidates_changed(before, now); }) state.candidates_changed(before, now);
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
