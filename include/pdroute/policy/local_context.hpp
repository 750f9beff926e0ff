// SPDX-License-Identifier: Apache-2.0
// A context for selecting without a router: over the caller's own list, under the caller's own lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/clock.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/random.hpp>

namespace pdroute {
inline namespace v0 {

/// Owns what a policy needs between choices: a clock, a seeded generator, and the policy's state. One per thread, or
/// one under the same lock as the list. `stream` tells several contexts of one policy apart.
///
///     pdroute::LocalContext context{policy};
///     std::unique_lock lock{mutex};
///     if (auto i = policy.select(nodes, request, context)) ++nodes[*i].busy;
///
/// Thread-compatible: not to be used by two threads at once.
template <class Policy, CallerClock Clock = std::chrono::steady_clock>
class LocalContext {
 public:
  explicit LocalContext(const Policy& policy, Clock clock = {}, std::uint64_t seed = 0, std::uint64_t stream = 0)
      : clock_(clock), generator_(stream_seed(seed, stream)), state_(detail::make_state(policy, stream)) {}

  [[nodiscard]] auto now() const { return clock_.now(); }
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) noexcept { return pdroute::below(generator_, bound); }
  [[nodiscard]] auto& state() noexcept { return state_; }
  [[nodiscard]] std::uint32_t turn() noexcept { return turn_++; }
  [[nodiscard]] static constexpr std::uint32_t origin() noexcept { return 0; }
  [[nodiscard]] static constexpr std::size_t first_size() noexcept { return 0; }
  [[nodiscard]] static constexpr std::uint64_t generation() noexcept { return 0; }
  [[nodiscard]] static constexpr bool narrowed() noexcept { return false; }

 private:
  [[no_unique_address]] Clock clock_;
  SplitMix64 generator_;
  std::uint32_t turn_ = 0;
  [[no_unique_address]] detail::StateOf<Policy> state_;
};

template <class Policy>
LocalContext(const Policy&) -> LocalContext<Policy>;
template <class Policy, class Clock, class... Seeds>
LocalContext(const Policy&, Clock, Seeds...) -> LocalContext<Policy, Clock>;

}  // namespace v0
}  // namespace pdroute
