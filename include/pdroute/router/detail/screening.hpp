// SPDX-License-Identifier: Apache-2.0
// Looks at eligible endpoints without asking the policy: what rules each out for a request, in legs and in dry runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/detail/snapshot.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <pdroute/router/detail/leg_filter.hpp>
#include <pdroute/router/detail/reported_limits.hpp>
#include <pdroute/router/detail/verdict.hpp>
#include <pdroute/router/group_ref.hpp>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What rules an eligible endpoint out before the policy is asked; null for nothing.
template <class Slot, class Request, class Endpoint, class Compatible>
[[nodiscard]] Reason ruled_out(const Slot& slot, const Request& request, const LegFilter<Endpoint>& filter,
                               const Compatible& compatible) {
  const auto full_or_too_large = [&] { return slot.could_hold(request) ? &NoEndpoint::full : &NoEndpoint::too_large; };
  if (const FailedEndpoint* const failed = filter.excluded(slot))
    return failed->kind == FailureKind::overloaded ? full_or_too_large() : &NoEndpoint::excluded;
  const auto& allowed = filter.own.allowed;
  if ((allowed && std::find(allowed->begin(), allowed->end(), slot.id()) == allowed->end()) ||
      (filter.own.accept && !filter.own.accept(slot.endpoint())))
    return &NoEndpoint::disallowed;
  if (!compatible(slot.endpoint())) return &NoEndpoint::incompatible;
  if (!slot.has_room(request)) return full_or_too_large();
  return nullptr;
}

/// The same, with what depends on the time.
template <class Slot, class Request, class Endpoint, class Compatible, class Clock>
[[nodiscard]] Reason ruled_out_now(const Slot& slot, const Request& request, const LegFilter<Endpoint>& filter,
                                   const Compatible& compatible, Clock& clock) {
  const Reason reason = detail::ruled_out(slot, request, filter, compatible);
  return reason == nullptr && detail::at_reported_limit(slot, clock) ? &NoEndpoint::full : reason;
}
/// What holds an endpoint back that would pass otherwise: failures count as `ejected`, push-back and slow start as
/// `full`. `refused`: it has already refused this request.
template <class Slot>
[[nodiscard]] Reason held_back(const Slot& slot, bool refused = false) noexcept {
  if (!slot.held_back(refused)) return nullptr;
  return slot.admission().state().tripped() ? &NoEndpoint::ejected : &NoEndpoint::full;
}

/// Why none of the candidates could take the request even if all were idle; none if one of them could. Looks no further
/// than the first one that could. An endpoint that takes bound sessions only may be bound to the request's session.
template <class Slot, class Request, class Endpoint>
[[nodiscard]] std::optional<NoEndpoint> never(const NoEndpoint& left_out, const Candidates<Slot>& candidates,
                                              const Request& request, const LegFilter<Endpoint>& filter) {
  NoEndpoint why = left_out;
  for (std::size_t i = 0; i < candidates.all(); ++i) {
    const Reason reason = detail::ruled_out(candidates[i], request, filter, AnyEndpoint{});
    if (reason == nullptr || reason == &NoEndpoint::full) return std::nullopt;
    if (i < candidates.size()) ++(why.*reason);  // the others are counted already, as `bound_only`
  }
  return why;
}

/// Lists, in order, the groups of the candidates that nothing rules out, or nothing but `despite`. Among them may be
/// groups of endpoints that take sessions bound to them, and not this one.
template <class Slot, class Request, class Endpoint>
void list_groups(std::vector<std::uint64_t>& list, const Candidates<Slot>& candidates, const Request& request,
                 const LegFilter<Endpoint>& filter, const GroupRef<Endpoint>& group, Reason despite) {
  list.clear();
  for (std::size_t i = 0; i < candidates.all(); ++i) {
    const Reason reason = detail::ruled_out(candidates[i], request, filter, AnyEndpoint{});
    if (reason == nullptr || reason == despite) list.push_back(group(candidates[i].endpoint()));
  }
  std::sort(list.begin(), list.end());
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
