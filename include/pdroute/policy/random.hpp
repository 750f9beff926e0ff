// SPDX-License-Identifier: Apache-2.0
// RandomPolicy: chooses each endpoint with the same probability.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/random.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Chooses uniformly at random among the eligible endpoints, without bias.
///
/// Guarantees. The same seed, role, dispatcher number and numbers of candidates give the same choices on every
/// platform. Two legs with the same seed draw independently.
///
/// Use it when you need a baseline, or when many gateways must not fall into step. Do not use it when load matters:
/// with m requests on n endpoints, the busiest endpoint gets about sqrt(2 ln n * m/n) more than the mean m/n. Two
/// choices or a full scan are far better at little more cost.
///
/// Complexity: O(1), one draw, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the draw is Lemire's bounded draw with rejection; see `pdroute::below`.
template <BitGenerator Generator = SplitMix64>
struct RandomPolicy {
  /// Equal seeds give equal choices. Give each gateway of a fleet its own seed.
  std::uint64_t seed = 0;

  /// What an explanation says of every choice.
  static constexpr std::string_view reason = "drawn at random";

  /// What a dispatcher remembers: its own generator.
  struct State {
    Generator generator;  ///< the draws of this leg
  };
  /// Seeds a generator for one leg of one dispatcher.
  [[nodiscard]] State make_state(std::uint64_t stream) const {
    return {Generator{static_cast<typename Generator::result_type>(stream_seed(seed, stream))}};
  }

  /// Chooses a candidate, or none if there is none.
  [[nodiscard, gnu::always_inline]] inline auto select(const CandidateRange auto& candidates, const auto& /*request*/,
                                                       auto& context) const -> std::optional<std::size_t> {
    if (candidates.size() == 0) return std::nullopt;
    return pdroute::below(context.state().generator, static_cast<std::uint32_t>(candidates.size()));
  }
};

}  // namespace v0
}  // namespace pdroute
