// SPDX-License-Identifier: Apache-2.0
// Reads the optional members of a policy, with the defaults for those it leaves out.
#pragma once

#include <cstdint>
#include <pdroute/load/detail/load_of.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

struct NoState {};

template <class Policy>
[[nodiscard]] constexpr auto make_state(const Policy& policy, std::uint64_t stream) {
  if constexpr (requires { policy.make_state(stream); }) {
    return policy.make_state(stream);
  } else {
    return NoState{};
  }
}

template <class Policy>
using StateOf = decltype(detail::make_state(std::declval<const Policy&>(), 0));

/// Where a state stands, to go back to; nothing for one that does not say.
template <class State>
[[nodiscard]] constexpr auto cursor_of(const State& state) {
  if constexpr (requires { state.cursor(); }) {
    return state.cursor();
  } else {
    return NoState{};
  }
}
template <class State, class Cursor>
constexpr void go_back(State& state, const Cursor& cursor) {
  if constexpr (requires { state.go_back(cursor); }) state.go_back(cursor);
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
