// SPDX-License-Identifier: Apache-2.0
// WeightedRoundRobinPolicy: chooses the endpoints in turn, in proportion to their weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/load/identity.hpp>
#include <pdroute/policy/detail/rotation_start.hpp>
#include <pdroute/policy/detail/weighted_choice.hpp>
#include <pdroute/policy/detail/weighted_rotation.hpp>
#include <pdroute/policy/round_robin.hpp>

namespace pdroute {
inline namespace v0 {

/// Chooses the eligible endpoints in turn, in proportion to their weights (`EndpointTraits::weight`).
///
/// Guarantees. Divide the weights by their greatest common divisor, and let W be their sum. On the first leg, each
/// endpoint gets exactly its weight in any W consecutive turns, over all dispatchers together. It waits for its next
/// turn at most three times as long as on average, so the turns of a heavy endpoint do not come in a row. On the second
/// leg, both hold for each block of W turns since the candidates changed. Each block begins at another place, given by
/// a hash of the block's number. So all pairs with the first leg are used, over many blocks in proportion to both
/// weights. Where two blocks meet, an endpoint may wait twice as long. After each change of the candidates, the
/// rotation begins at another place, also by a hash; so the shares are in proportion to the weights on average, and no
/// endpoint is favoured, however often another one comes and goes.
///
/// The rotation starts at the same place for all gateways with `Options::seed` 0, and elsewhere for each other seed.
///
/// If a request's filter or full endpoints leave only some of the eligible endpoints, the policy draws one of those at
/// random, in proportion to the weights. `RoundRobinPolicy` gives the reason.
///
/// Use it when requests are alike and endpoints are not: different GPUs, or a new version that gets a small share. Do
/// not use it when requests differ in size: it sees neither load nor size, and one request in 10,000 may be a long one.
///
/// Complexity: O(1) amortised over the turns, and one shared atomic addition per route. A dispatcher builds its table
/// in O(n), perhaps with an allocation, at its first choice and whenever the candidates of either role have changed. A
/// random draw is O(n). The table takes 12 to 16 bytes per endpoint, dispatcher and leg.
/// Thread safety: `select` may be called from many threads at once, each with its own context. In a caller's own list,
/// weights must not change while the context is in use; a changed weight is noticed when the endpoint's turn comes.
/// Source: weighted round robin as in nginx and Envoy. This one uses a golden-section stride instead of a schedule. A
/// position then follows from the turn alone, so a dispatcher need not know what other dispatchers chose.
struct WeightedRoundRobinPolicy {
  /// The load metric: the weight of the endpoint.
  using Load = Identity;
  /// Makes the state for one leg of one dispatcher.
  [[nodiscard]] detail::WeightedRotation make_state(std::uint64_t stream) const noexcept {
    return detail::WeightedRotation{detail::shared_start(stream)};
  }

  /// Chooses the candidate of this turn, or none if there is none or all weights are 0.
  [[nodiscard, gnu::always_inline]] inline auto select(const WeightedCandidates auto& candidates,
                                                       const auto& /*request*/, RotationContext auto& context) const
      -> std::optional<std::size_t> {
    if (candidates.size() == 0) return std::nullopt;
    if (context.narrowed()) return detail::weighted_draw(candidates, context);
    detail::WeightedRotation& rotation = context.state();
    if (!rotation.fits(candidates.size(), context.generation())) [[unlikely]] {
      rotation.build(candidates, context.generation());
      if (rotation.empty()) return std::nullopt;
    }
    const std::uint64_t turn = context.turn();
    const std::size_t chosen = rotation.index(turn, context.origin(), context.first_size());
    if (rotation.weight(chosen) == detail::candidate_weight(candidates[chosen])) [[likely]]
      return chosen;
    // The caller's list has another endpoint or weight at this index, and the generation is the same: build anew.
    rotation.build(candidates, context.generation());
    if (rotation.empty()) return std::nullopt;
    return rotation.index(turn, context.origin(), context.first_size());
  }
  /// Says whether the choice is a turn or a draw.
  void explain(const auto& /*candidates*/, const auto& /*request*/, auto& context, auto& trace) const {
    trace.reason(context.narrowed() ? "drawn at random, by weight" : "its turn");
  }
};

}  // namespace v0
}  // namespace pdroute
