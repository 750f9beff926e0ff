// SPDX-License-Identifier: Apache-2.0
// RoundRobinPolicy: chooses the endpoints in turn, one after the other.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/policy/detail/pair_rotation.hpp>
#include <pdroute/policy/endpoint_selector.hpp>

namespace pdroute {
inline namespace v0 {

/// Which dispatchers share one rotation.
enum class Rotation : std::uint8_t {
  exact,  ///< all dispatchers share one counter per leg
  /// Each dispatcher has its own rotation, and the k-th one starts at turn k. This is cheaper, but the shares are even
  /// only within one dispatcher.
  per_dispatcher,
};

/// Chooses the eligible endpoints in registration order, one after the other.
///
/// Guarantees. Between two changes of the candidates, the counts of two endpoints differ by at most 1. This holds for
/// one thread, and with `Rotation::per_dispatcher` for each dispatcher. At a change, an endpoint that stays loses at
/// most one turn, plus one for each thread that is in the middle of a route. The second leg uses all pairs with the
/// first leg, and the counts of two pairs differ by at most 1 after each whole cycle. Two plain counters would move in
/// lockstep instead (see `detail::PairRotation`). The guarantee on pairs needs every request to take both legs, and
/// both legs to rotate in the same way.
///
/// If a request's filter or full endpoints leave only some of the eligible endpoints, the policy draws one of those at
/// random. A turn over all endpoints, or one that requests with different filters share, would starve some endpoints
/// and flood others.
///
/// Use it when requests are alike and endpoints are equal. Do not use it when prompts differ in length: it sees neither
/// load nor size, so if every n-th prompt is long, one of n endpoints gets all long prompts and queues.
///
/// Complexity: O(1). `exact` makes one shared atomic addition per route, `per_dispatcher` makes none.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the round-robin strategy of vLLM's production stack (PR 587); the documentation says where this one differs.
template <Rotation sharing = Rotation::exact>
struct RoundRobinPolicy {
  /// Where the rotation starts. Give each gateway of a fleet its own start. Otherwise all begin with endpoint 0.
  std::uint32_t first_turn = 0;

  /// What a dispatcher remembers. `exact` uses the rotation only.
  struct State {
    detail::PairRotation rotation = {};  ///< finds the index of a turn
    std::uint32_t turn = 0;              ///< the next turn of this dispatcher
    std::uint32_t origin = 0;            ///< the turn from which the present candidates are in force
    std::uint64_t generation = 0;        ///< the generation of the present candidates

    /// The position to return to when the router takes a choice back.
    [[nodiscard]] std::uint32_t cursor() const noexcept { return turn; }
    /// Returns to a position.
    void go_back(std::uint32_t cursor) noexcept { turn = cursor; }
  };
  /// Makes the state for one leg of one dispatcher; the stream's low 32 bits number the dispatcher.
  [[nodiscard]] constexpr State make_state(std::uint64_t stream) const noexcept {
    return {.rotation = detail::PairRotation{first_turn}, .turn = static_cast<std::uint32_t>(stream)};
  }

  /// Chooses the candidate of this turn, or none if there is none.
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
  /// Says whether the choice is a turn or a draw.
  void explain(const auto& /*candidates*/, const auto& /*request*/, auto& context, auto& trace) const {
    trace.reason(context.narrowed() ? "drawn at random" : "its turn");
  }
};

}  // namespace v0
}  // namespace pdroute
