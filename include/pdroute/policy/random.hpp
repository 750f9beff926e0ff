// SPDX-License-Identifier: Apache-2.0
// RandomPolicy: each endpoint with the same probability.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/policy/endpoint_selector.hpp>
#include <pdroute/random.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Chooses uniformly among the eligible endpoints, without bias.
///
/// Guarantee: the same seed, role, dispatcher number and numbers of candidates give the same choices, on every
/// platform. Two legs with the same seed draw independently.
///
/// Use it as a baseline, or where many gateways must not coordinate. The busiest of n endpoints gets about
/// sqrt(2 ln n * m/n) requests more than the mean m/n; two choices or a full scan are far better at little more cost.
///
/// Cost: O(1), one draw, no shared writes.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
template <BitGenerator Generator = SplitMix64>
struct RandomPolicy {
  std::uint64_t seed = 0;  ///< equal seeds, equal choices; give each gateway of a fleet its own

  static constexpr std::string_view reason = "drawn at random";

  struct State {
    Generator generator;
  };
  [[nodiscard]] State make_state(std::uint64_t stream) const {
    return {Generator{static_cast<typename Generator::result_type>(stream_seed(seed, stream))}};
  }

  [[nodiscard, gnu::always_inline]] inline auto select(const CandidateRange auto& candidates, const auto& /*request*/,
                                                       auto& context) const -> std::optional<std::size_t> {
    if (candidates.size() == 0) return std::nullopt;
    return pdroute::below(context.state().generator, static_cast<std::uint32_t>(candidates.size()));
  }
};

}  // namespace v0
}  // namespace pdroute
