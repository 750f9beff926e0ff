// SPDX-License-Identifier: Apache-2.0
// RoundRobinPolicy: chooses the endpoints in turn, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/policy/detail/pair_rotation.hpp>
#include <pdroute/policy/detail/rest_rotation.hpp>
#include <pdroute/policy/detail/rotation_start.hpp>
#include <pdroute/policy/detail/turn_state.hpp>
#include <pdroute/policy/endpoint_selector.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// Which dispatchers share one rotation.
enum class Rotation : std::uint8_t {
  exact,  ///< all dispatchers share one counter per leg
  /// Each dispatcher has its own rotation, and they start evenly spread. This is cheaper, but the shares are even only
  /// within one dispatcher.
  per_dispatcher,
};

namespace detail {

/// What a dispatcher remembers for the rotation that all dispatchers share.
class SharedTurnState {
 public:
  constexpr SharedTurnState() = default;
  constexpr explicit SharedTurnState(std::uint64_t stream) noexcept : all_(detail::shared_start(stream)) {}

  /// The index of this turn. Precondition: not empty.
  template <class Candidates, class Context>
  [[nodiscard, gnu::always_inline]] inline std::size_t next(const Candidates& candidates, Context& context) {
    if (context.narrowed()) return rest_.next(candidates, context);
    const std::uint64_t turn = context.turn();
    return all_.index(turn, context.origin(), context.first_size(), candidates.size());
  }
  /// Remembers the choice that `next` was asked for.
  template <class Candidates, class Context>
  void chose(std::size_t index, const Candidates& candidates, const Context& context) noexcept {
    if (context.narrowed()) rest_.chose(index, candidates.size());
  }
  /// Whether `next` would draw at random.
  template <class Candidates, class Context>
  [[nodiscard]] bool at_random(const Candidates& candidates, const Context& context) const {
    return context.narrowed() && !rest_.knows(candidates);
  }

  /// The position to return to when the router takes a choice back; it takes the turn back itself.
  [[nodiscard]] std::uint32_t cursor() const noexcept { return rest_.cursor(); }
  void go_back(std::uint32_t cursor) noexcept { rest_.go_back(cursor); }

 private:
  PairRotation all_;
  RestRotation rest_;
};

}  // namespace detail

/// Chooses the eligible endpoints in registration order, one after the other.
///
/// Guarantees. Between two changes of the candidates, the counts of two endpoints differ by at most 1. This holds for
/// one thread, and with `Rotation::per_dispatcher` for each dispatcher. At a change, an endpoint that stays loses at
/// most one turn, plus one for each thread that is in the middle of a route; `exact` then begins at a place that
/// follows from a hash, so none is favoured however often another endpoint comes and goes, and `per_dispatcher` goes on
/// after the endpoint that it chose last. The second leg uses all pairs with the first leg, and the counts of two pairs
/// differ by at most 1 after each whole cycle. Two plain counters would move in lockstep instead (see
/// `detail::PairRotation`). The guarantee on pairs needs every request to take both legs, and both legs to rotate in
/// the same way.
///
/// If a request's filter or full endpoints leave only some of the eligible endpoints, each such set has a rotation of
/// its own in each dispatcher, so that the endpoints of one model or one tenant share its requests evenly. A set starts
/// at random. A turn over all endpoints, or one that requests with different filters share, would starve some endpoints
/// and flood others. The guarantee holds for the sets that a dispatcher remembers: the 32 used last, roughly, each of
/// at most 64 endpoints. Over any other set, the policy draws at random.
///
/// The rotation starts with the first endpoint if `Options::seed` is 0, and elsewhere for each other seed.
///
/// Use it when requests are alike and endpoints are equal. Do not use it when prompts differ in length: it sees neither
/// load nor size, so if every n-th prompt is long, one of n endpoints gets all long prompts and queues.
///
/// Complexity: O(1), and O(n) over a set. `exact` makes one shared atomic addition per route, `per_dispatcher` makes
/// none.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the round-robin strategy of vLLM's production stack (PR 587); the documentation says where this one differs.
template <Rotation sharing = Rotation::exact>
struct RoundRobinPolicy {
  /// What a dispatcher remembers.
  using State = std::conditional_t<sharing == Rotation::exact, detail::SharedTurnState, detail::TurnState>;
  /// Makes the state for one leg of one dispatcher.
  [[nodiscard]] constexpr State make_state(std::uint64_t stream) const noexcept { return State{stream}; }

  /// Chooses the candidate of this turn, or none if there is none.
  [[nodiscard, gnu::always_inline]] inline auto select(const CandidateRange auto& candidates, const auto& /*request*/,
                                                       RotationContext auto& context) const
      -> std::optional<std::size_t> {
    if (candidates.size() == 0) return std::nullopt;
    const std::size_t chosen = context.state().next(candidates, context);
    context.state().chose(chosen, candidates, context);
    return chosen;
  }
  /// Says whether the choice is a turn or a draw.
  void explain(const auto& candidates, const auto& /*request*/, auto& context, auto& trace) const {
    trace.reason(context.state().at_random(candidates, context) ? "drawn at random" : "its turn");
  }
};

}  // namespace v0
}  // namespace pdroute
