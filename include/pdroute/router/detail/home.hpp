// SPDX-License-Identifier: Apache-2.0
// Endpoints that take bound sessions only, as a leg sees them. The home of a request is the one that its session is
// bound to.
#pragma once

#include <cstddef>
#include <optional>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What a policy chooses from: also the endpoints that take bound sessions only, if it knows sessions.
template <class Policy, class Slot>
[[nodiscard]] Candidates<Slot> shown_to(const Snapshot<Slot>& snapshot) noexcept {
  if constexpr (reaches_bound_only<Policy>) {
    return snapshot.with_bound_only();
  } else {
    return snapshot.candidates();
  }
}

/// Whether the policy has nothing to choose from. One comparison for a policy that knows no sessions.
template <class Policy, class Slot>
[[nodiscard]] bool nothing_in(const Candidates<Slot>& candidates) noexcept {
  if constexpr (reaches_bound_only<Policy>) {
    return candidates.all() == 0;
  } else {
    return candidates.size() == 0;
  }
}

/// What the policy chooses among `bound_only`, or null. Out of line, as this is rare.
template <class Policy, class Slot, class Request, class Context>
[[nodiscard, gnu::noinline, gnu::cold]] Slot* chosen_of(const Policy& policy, const Candidates<Slot>& bound_only,
                                                        const Request& request, Context& context) {
  const std::optional<std::size_t> chosen = policy.select(bound_only, request, context);
  return chosen && *chosen < bound_only.all() ? bound_only.slot(*chosen) : nullptr;
}

/// The home of the request, or null: what the policy chooses if it is asked over none but the endpoints that take bound
/// sessions only. Its state stays as it is, because a fallback has nothing to choose from.
template <class Policy, class Slot, class Request, class Context>
[[nodiscard]] Slot* home_of(const Policy& policy, const Candidates<Slot>& candidates, const Request& request,
                            Context& context) {
  if constexpr (reaches_bound_only<Policy>) {
    if (candidates.bound_only_size() > 0) return chosen_of(policy, candidates.bound_only(), request, context);
  }
  return nullptr;
}

/// The slots as candidates. If the last of them is `home`, it stands behind the others.
template <class Policy, class Slot>
[[nodiscard]] Candidates<Slot> with_home_behind(const std::vector<Slot*>& slots, const Slot* home) noexcept {
  if constexpr (reaches_bound_only<Policy>) {
    const std::size_t behind = home != nullptr && !slots.empty() && slots.back() == home ? 1 : 0;
    return {slots.data(), slots.size() - behind, behind};
  }
  return {slots.data(), slots.size()};
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
