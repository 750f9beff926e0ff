// SPDX-License-Identifier: Apache-2.0
// The decision of a route with filters, written once for the legs that reserve and for the dry runs that explain.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/leg_filter.hpp>
#include <pdroute/router/detail/verdict.hpp>
#include <pdroute/router/filter.hpp>
#include <utility>
#include <vector>

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

/// Two leases, in either order, as a route.
template <class Route, class FirstLease, class SecondLease>
[[nodiscard, gnu::always_inline]] inline Route in_order(FirstLease& first, SecondLease& second) noexcept {
  if constexpr (FirstLease::role == Role::prefill) {
    return {std::move(first), std::move(second)};
  } else {
    return {std::move(second), std::move(first)};
  }
}

/// Why there is no route if the first leg found no endpoint. If it was full, the second role gets the blame if none of
/// its endpoints could ever take the request: then coming back later would not help.
template <class First, class Second, class Request, class Endpoint>
[[nodiscard, gnu::noinline, gnu::cold]] NoEndpoint reason_without_first(const First& first, const Second& second,
                                                                        const Request& request,
                                                                        const LegFilter<Endpoint>& second_filter) {
  const NoEndpoint reason = first.no_endpoint();
  return reason.overloaded() ? second.never(request, second_filter).value_or(reason) : reason;
}

/// Chooses an endpoint for the first leg, then one for the second that fits it.
///
/// 1. The first leg chooses among the endpoints that pass its filter.
/// 2. The second leg chooses among those that pass its filter and fit the first choice. If it succeeds, this is the
///    route.
/// 3. If some endpoint of the second leg failed for compatibility alone, the first choice is undone and another one is
///    tried. Otherwise no other first choice can help.
/// 4. If pairs are told by groups, other first choices are made only among endpoints whose group has a partner with
///    room. If there is none, one whose group has a full partner is tried, so that the answer is overload.
/// 5. If there is no route, the second role gets the blame if it was asked, in three cases: no endpoint of it failed
///    for compatibility alone; one of its endpoints was full; no endpoint of the first role was full.
template <class First, class Second, class Request, class Facts, class Endpoint>
[[nodiscard]] FilteredRoute<First, Second> choose_filtered(First& first, Second& second, const Request& request,
                                                           Facts& facts, const RouteFilter<Endpoint>& filter) {
  const LegFilter<Endpoint> first_filter{filter, First::role};
  const LegFilter<Endpoint> second_filter{filter, Second::role};
  FilteredRoute<First, Second> route;
  std::optional<NoEndpoint> second_reason;  // one that more room would cure, if there is any
  bool gave_up = false;
  // Tries first choices that pass `eligible`, until one has a partner or `enough` is true of the second leg's reason.
  const auto try_firsts = [&](const auto& eligible, const auto& enough) {
    const auto judge = [&](const typename First::Choice& one) {
      facts.first_size = &first.size();
      route.second = second.choose_among(request, facts, second_filter,
                                         PairRule<First::role, Endpoint>{filter, one.endpoint()}, TakeFirst{});
      facts.first_size = nullptr;
      if (route.second) return Verdict::take;
      const NoEndpoint reason = second.no_endpoint();
      if (!second_reason || reason.overloaded()) {
        second_reason = reason;
        second.remember();
      }
      gave_up = reason.incompatible == 0;
      return gave_up || enough(reason) ? Verdict::give_up : Verdict::try_another;
    };
    route.first = first.choose_among(request, facts, first_filter, eligible, judge);
  };
  const auto try_groups = [&](Reason despite, const auto& enough) {
    const std::vector<std::uint64_t>& groups = second.groups(request, second_filter, filter.group, despite);
    const auto has_partner = [&](const Endpoint& one) {
      return std::binary_search(groups.begin(), groups.end(), filter.group(one));
    };
    try_firsts(has_partner, enough);
  };
  try_firsts(AnyEndpoint{}, [&](const NoEndpoint& /*reason*/) { return static_cast<bool>(filter.group); });
  const auto no_partner_yet = [&] { return filter.group && !route.first && second_reason && !gave_up; };
  if (no_partner_yet()) try_groups(nullptr, [](const NoEndpoint& /*reason*/) { return false; });
  if (no_partner_yet() && !second_reason->overloaded())
    try_groups(&NoEndpoint::full, [](const NoEndpoint& reason) { return reason.overloaded(); });

  if (route.first) return route;
  if (!second_reason) {
    route.refusal = detail::reason_without_first(first, second, request, second_filter);
    return route;
  }
  const NoEndpoint first_reason = first.no_endpoint();
  const bool second_to_blame = gave_up || second_reason->overloaded() || !first_reason.overloaded();
  if (second_to_blame) second.recall();
  route.refusal = second_to_blame ? *second_reason : first_reason;
  return route;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
