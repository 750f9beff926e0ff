// SPDX-License-Identifier: Apache-2.0
// LocalContext: calls a policy without a router, over the caller's own list and under the caller's own lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/clock.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/policy/detail/rotation_start.hpp>
#include <pdroute/random.hpp>

namespace pdroute {
inline namespace v0 {

/// Owns what a policy needs between choices: a clock, a seeded generator and the policy's state. Use one per thread, or
/// one under the same lock as the list. Its members are those that `EndpointSelector` describes.
///
///     pdroute::LocalContext context{policy};
///     std::unique_lock lock{mutex};
///     if (auto i = policy.select(nodes, request, context)) ++nodes[*i].busy;
///
/// Thread safety: thread-compatible. Two threads must not use one context at the same time.
template <class Policy, CallerClock Clock = std::chrono::steady_clock>
class LocalContext {
 public:
  /// `seed` seeds the generator and says where rotations start; 0 means at the first candidate. `stream` is the number
  /// of this context, below 2^32. Give each context of one policy its own.
  explicit LocalContext(const Policy& policy, Clock clock = {}, std::uint64_t seed = 0, std::uint64_t stream = 0)
      : clock_(clock),
        generator_(stream_seed(seed, stream)),
        state_(detail::make_state(policy, detail::stream_of(seed, Role::prefill, stream))) {}

  /// The clock's time. Unlike the router's context, it reads the clock at each call.
  [[nodiscard]] auto now() const { return clock_.now(); }
  /// An unbiased draw from [0, bound). Precondition: `bound` > 0.
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) noexcept { return pdroute::below(generator_, bound); }
  /// The policy's state.
  [[nodiscard]] auto& state() noexcept { return state_; }
  /// The next number: 0, 1, 2, ... Each call draws one, so call it once per choice.
  [[nodiscard]] std::uint64_t turn() noexcept { return turn_++; }
  /// 0: the candidates are in force from the first turn on.
  [[nodiscard]] static constexpr std::uint64_t origin() noexcept { return 0; }
  /// 0: no other leg comes before this one.
  [[nodiscard]] static constexpr std::size_t first_size() noexcept { return 0; }
  /// 0: the context does not see when the caller's list changes.
  [[nodiscard]] static constexpr std::uint64_t generation() noexcept { return 0; }
  /// False: the caller's list holds all candidates.
  [[nodiscard]] static constexpr bool narrowed() noexcept { return false; }

 private:
  [[no_unique_address]] Clock clock_;
  SplitMix64 generator_;
  std::uint64_t turn_ = 0;
  [[no_unique_address]] detail::StateOf<Policy> state_;
};

/// Deduces the policy, with `std::chrono::steady_clock`.
template <class Policy>
LocalContext(const Policy&) -> LocalContext<Policy>;
/// Deduces the policy and the clock.
template <class Policy, class Clock, class... Seeds>
LocalContext(const Policy&, Clock, Seeds...) -> LocalContext<Policy, Clock>;

}  // namespace v0
}  // namespace pdroute
