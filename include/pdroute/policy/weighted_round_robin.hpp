// SPDX-License-Identifier: Apache-2.0
// WeightedRoundRobinPolicy: each endpoint in its turn, and as many turns as it weighs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/load/identity.hpp>
#include <pdroute/policy/detail/weighted_choice.hpp>
#include <pdroute/policy/detail/weighted_rotation.hpp>
#include <pdroute/policy/round_robin.hpp>

namespace pdroute {
inline namespace v0 {

/// Takes the eligible endpoints in turns, in proportion to their weights (`EndpointTraits::weight`).
///
/// Guarantees. Divide the weights by what all of them can be divided by; let W be their sum then. On the first leg each
/// endpoint gets exactly its weight of any W consecutive turns, over all dispatchers together, and waits for its next
/// turn at most three times as long as on average: a heavy one's turns do not come in a row. On the second leg the same
/// holds for each block of W turns since the candidates changed; each block begins elsewhere, by a hash of its number,
/// so that all pairs with the first leg are used, over many blocks in proportion to both weights. Where two blocks
/// meet, an endpoint may wait twice as long.
///
/// Where a request's filter or full endpoints leave only some of the eligible, one of those is drawn at random in
/// proportion to the weights, for the reason that `RoundRobinPolicy` gives.
///
/// Use it when requests are alike and endpoints are not: different GPUs, or a new version that shall get a small share.
/// It sees neither load nor size, and a share of 1 in 10,000 is still one request that may be long.
///
/// Cost: O(1) amortised over the turns; O(n) and perhaps an allocation per dispatcher at its first choice and whenever
/// the candidates of either role have changed; O(n) for a draw. One shared atomic addition per route. 12 to 16 bytes
/// per endpoint, dispatcher and leg.
/// Thread safety: `select` may be called from many threads at once, each with its own context. Candidates of the
/// caller's own must keep their weights as long as the context; a changed one is seen when its turn comes.
/// Source: weighted round robin as in nginx and Envoy; by a golden-section stride instead of a schedule, because the
/// position then follows from the turn alone and no dispatcher need know what others chose.
struct WeightedRoundRobinPolicy {
  /// Where the rotation starts. Give every gateway of a fleet its own, or all begin with the same endpoint.
  std::uint32_t first_turn = 0;

  using Load = Identity;
  [[nodiscard]] detail::WeightedRotation make_state(std::uint64_t /*stream*/) const noexcept {
    return detail::WeightedRotation{first_turn};
  }

  [[nodiscard, gnu::always_inline]] inline auto select(const WeightedCandidates auto& candidates,
                                                       const auto& /*request*/, RotationContext auto& context) const
      -> std::optional<std::size_t> {
    if (candidates.size() == 0) return std::nullopt;
    if (context.narrowed()) return detail::weighted_draw(candidates, context);
    detail::WeightedRotation& rotation = context.state();
    if (!rotation.fits(candidates.size(), context.generation())) [[unlikely]]
      rotation.build(candidates, context.generation());
    if (rotation.empty()) return std::nullopt;
    const std::uint32_t turn = context.turn();
    const std::size_t chosen = rotation.index(turn, context.origin(), context.first_size());
    if (rotation.weight(chosen) == detail::candidate_weight(candidates[chosen])) [[likely]]
      return chosen;
    // Another endpoint has come into this place, without a new generation.
    rotation.build(candidates, context.generation());
    if (rotation.empty()) return std::nullopt;
    return rotation.index(turn, context.origin(), context.first_size());
  }
  void explain(const auto& /*candidates*/, const auto& /*request*/, auto& context, auto& trace) const {
    trace.reason(context.narrowed() ? "drawn at random, by weight" : "its turn");
  }
};

}  // namespace v0
}  // namespace pdroute
