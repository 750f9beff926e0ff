// SPDX-License-Identifier: Apache-2.0
// The decision of a route with filters, written once for the legs that reserve and for the dry runs that explain.
#pragma once

#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/verdict.hpp>
#include <pdroute/router/filter.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Both choices; or two empty ones, and why.
template <class First, class Second>
struct FilteredRoute {
  typename First::Choice first = {};
  typename Second::Choice second = {};
  std::optional<NoEndpoint> refusal = {};  ///< of the role to blame, if there is no route
};

/// The part of the filter for one role.
template <Role role, class Endpoint>
[[nodiscard]] const Filter<Endpoint>& filter_of(const RouteFilter<Endpoint>& filter) noexcept {
  return role == Role::prefill ? filter.prefill : filter.decode;
}

/// Chooses an endpoint for the first leg, then one for the second that is compatible with it.
///
/// 1. The first leg chooses among the endpoints that pass its filter.
/// 2. The second leg chooses among those that pass its filter and fit the first choice. If it succeeds, this is the
///    route.
/// 3. If some endpoint of the second leg failed for compatibility alone, the first choice is undone and another one is
///    tried. Otherwise no other first choice can help.
/// 4. If there is no route, the second role gets the blame if it was asked, in three cases: no endpoint of it failed
///    for compatibility alone; one of its endpoints was full; no endpoint of the first role was full.
template <class First, class Second, class Request, class Facts, class Endpoint>
[[nodiscard]] FilteredRoute<First, Second> choose_filtered(First& first, Second& second, const Request& request,
                                                           Facts& facts, const RouteFilter<Endpoint>& filter) {
  FilteredRoute<First, Second> route;
  std::optional<NoEndpoint> second_reason;  // one that more room would cure, if there is any
  bool gave_up = false;
  const auto judge = [&](const typename First::Choice& one) {
    const auto compatible = [&](const Endpoint& other) {
      if (!filter.compatible) return true;
      return First::role == Role::prefill ? filter.compatible(one.endpoint(), other)
                                          : filter.compatible(other, one.endpoint());
    };
    facts.first_size = &first.size();
    route.second =
        second.choose_among(request, facts, detail::filter_of<Second::role>(filter), compatible, TakeFirst{});
    facts.first_size = nullptr;
    if (route.second) return Verdict::take;
    const NoEndpoint reason = second.no_endpoint();
    if (!second_reason || reason.overloaded()) {
      second_reason = reason;
      second.remember();
    }
    gave_up = reason.incompatible == 0;
    return gave_up ? Verdict::give_up : Verdict::try_another;
  };
  route.first = first.choose_among(request, facts, detail::filter_of<First::role>(filter), AnyEndpoint{}, judge);
  if (route.first) return route;
  const NoEndpoint first_reason = first.no_endpoint();
  const bool second_to_blame = second_reason && (gave_up || second_reason->overloaded() || !first_reason.overloaded());
  if (second_to_blame) second.recall();
  route.refusal = second_to_blame ? *second_reason : first_reason;
  return route;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
