// SPDX-License-Identifier: Apache-2.0
// RoundRobinPolicy: each endpoint in its turn.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/policy/detail/pair_rotation.hpp>
#include <pdroute/policy/endpoint_selector.hpp>

namespace pdroute {
inline namespace v0 {

/// Who shares a rotation.
enum class Rotation : std::uint8_t {
  exact,           ///< all dispatchers: one shared counter per leg
  per_dispatcher,  ///< each dispatcher has its own, and the k-th starts k turns in; cheaper, even only per dispatcher
};

/// Takes the eligible endpoints in registration order, one after the other.
///
/// Guarantees. Between two changes of the candidates, the counts of two endpoints differ by at most 1 (single-threaded;
/// per dispatcher with `Rotation::per_dispatcher`). A change costs a survivor at most one turn, plus one per thread
/// that is in the middle of a route. On the second leg all pairs with the first are used, each within 1 over a whole
/// cycle, instead of the lockstep of two counters (see `detail::PairRotation`), as long as every request takes both
/// legs and both rotate in the same way.
///
/// Where a request's filter or full endpoints leave only some of the eligible, one of those is drawn at random: a turn
/// over all of them, or one shared by requests with different filters, would starve some and flood others.
///
/// Use it when requests are alike and endpoints are equal. It sees neither load nor size: one long prompt in n, and
/// every n-th endpoint queues. The other rules exist for that.
///
/// Cost: O(1); one shared atomic addition per route (`exact`), none (`per_dispatcher`).
/// Thread safety: `select` may be called from many threads at once, each with its own context.
template <Rotation sharing = Rotation::exact>
struct RoundRobinPolicy {
  /// Where the rotation starts. Give every gateway of a fleet its own, or all begin with endpoint 0.
  std::uint32_t first_turn = 0;

  struct State {
    detail::PairRotation rotation = {};
    // For `per_dispatcher`:
    std::uint32_t turn = 0;
    std::uint32_t origin = 0;
    std::uint64_t generation = 0;

    [[nodiscard]] std::uint32_t cursor() const noexcept { return turn; }
    void go_back(std::uint32_t cursor) noexcept { turn = cursor; }
  };
  [[nodiscard]] constexpr State make_state(std::uint64_t stream) const noexcept {
    return {.rotation = detail::PairRotation{first_turn}, .turn = static_cast<std::uint32_t>(stream)};
  }

  [[nodiscard, gnu::always_inline]] inline auto select(const CandidateRange auto& candidates, const auto& /*request*/,
                                                       RotationContext auto& context) const noexcept
      -> std::optional<std::size_t> {
    if (candidates.size() == 0) return std::nullopt;
    if (context.narrowed()) return context.below(static_cast<std::uint32_t>(candidates.size()));
    State& state = context.state();
    std::uint32_t turn = 0;
    std::uint32_t origin = 0;
    if constexpr (sharing == Rotation::exact) {
      turn = context.turn();
      origin = context.origin();
    } else {
      turn = state.turn++;
      if (state.generation != context.generation()) {
        state.generation = context.generation();
        state.origin = turn;
      }
      origin = state.origin;
    }
    return state.rotation.index(turn, origin, context.first_size(), candidates.size());
  }
  void explain(const auto& /*candidates*/, const auto& /*request*/, auto& context, auto& trace) const {
    trace.reason(context.narrowed() ? "drawn at random" : "its turn");
  }
};

}  // namespace v0
}  // namespace pdroute
