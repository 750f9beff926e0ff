// SPDX-License-Identifier: Apache-2.0
// Filter and RouteFilter: what one request asks of endpoints beyond being eligible.
#pragma once

#include <algorithm>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <pdroute/router/group_ref.hpp>
#include <pdroute/router/predicate_ref.hpp>
#include <span>

namespace pdroute {
inline namespace v0 {

/// A filter for one leg of one call. A part that is left out lets every endpoint pass, and an empty filter costs what
/// no filter costs. Otherwise the filter is asked once per eligible endpoint; in a route over pairs, the second leg
/// asks again for each first endpoint tried, and a search starts over if a closed endpoint was met. Lists are searched
/// from their beginning each time.
///
///     dispatcher.decode(request, {.exclude = failed, .accept = [](const Engine& e) { return e.zone == "a"; }});
///
/// The predicate and the lists are referred to, not copied, and must last as long as the call. A list is taken as it is
/// when the filter is made: make a new filter after each failure. The predicate must not call the dispatcher or the
/// router. If it throws, the exception passes through, and nothing is reserved or recorded, though a turn of a rotation
/// may be used up.
template <EndpointType Endpoint>
struct Filter {
  std::span<const FailedEndpoint> exclude = {};                           ///< none of these; see `FailedEndpoints`
  std::optional<std::span<const EndpointIdView<Endpoint>>> allowed = {};  ///< only these ids; an empty list allows none
  PredicateRef<Endpoint> accept = {};                                     ///< only endpoints for which this is true

  /// Whether every endpoint passes.
  [[nodiscard]] bool empty() const noexcept { return exclude.empty() && !allowed && !accept; }
};

/// A filter for both legs of a route.
///
///     dispatcher.route(request, {.exclude = failed, .group = [](const Engine& e) { return e.group; }});
///
/// To choose one leg again and keep to the same pairs, give the same filter and the endpoint of the other leg:
///
///     dispatcher.decode(request, {.exclude = failed, .group = [](const Engine& e) { return e.group; }}, prefill);
///
/// Complexity of a route: O(prefill + decode endpoints), where a predicate or a group is asked at most that often per
/// first endpoint tried. If the first choice has no partner: with `group` alone, O(n log n) for n endpoints, because
/// one search tells which groups have a partner; with `compatible`, up to O(prefill * decode endpoints), as every pair
/// may have to be asked. At 1,000 endpoints a role, that is a million calls, some milliseconds.
template <EndpointType Endpoint>
struct RouteFilter {
  std::span<const FailedEndpoint> exclude = {};  ///< none of these in either role, besides those of `prefill`, `decode`
  Filter<Endpoint> prefill = {};                 ///< which prefill endpoints pass
  Filter<Endpoint> decode = {};                  ///< which decode endpoints pass
  /// Which pairs fit, told by a group: a pair fits if its two groups are equal. A pair must also be `compatible`.
  GroupRef<Endpoint> group = {};
  /// Which pairs fit: called with the prefill endpoint and then the decode endpoint. If no endpoint fits the one chosen
  /// first, that choice is taken back and another one is made, until all have been tried.
  PredicateRef<Endpoint, Endpoint> compatible = {};

  /// Whether every endpoint and every pair passes.
  [[nodiscard]] bool empty() const noexcept {
    return exclude.empty() && prefill.empty() && decode.empty() && !group && !compatible;
  }
};

}  // namespace v0
}  // namespace pdroute
