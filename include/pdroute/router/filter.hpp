// SPDX-License-Identifier: Apache-2.0
// Filter and RouteFilter: what one request asks of endpoints beyond being eligible.
#pragma once

#include <algorithm>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <pdroute/router/predicate_ref.hpp>
#include <span>

namespace pdroute {
inline namespace v0 {

/// A filter for one leg of one call. A part that is left out lets every endpoint pass, and an empty filter costs what
/// no filter costs. Otherwise the filter is asked once per eligible endpoint; with `compatible`, the second leg asks
/// again for each first endpoint tried, and a search starts over if a closed endpoint was met. Lists are searched from
/// their beginning each time.
///
///     dispatcher.decode(request, {.exclude = failed, .accept = [](const Engine& e) { return e.zone == "a"; }});
///
/// The predicate and the lists are referred to, not copied, and must last as long as the call. The predicate must not
/// call the dispatcher or the router. If it throws, the exception passes through, and nothing is reserved or recorded,
/// though a turn of a rotation may be used up.
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
///     dispatcher.route(request, {.decode = {.exclude = failed},
///                                .compatible = [](const Engine& p, const Engine& d) { return p.group == d.group; }});
template <EndpointType Endpoint>
struct RouteFilter {
  Filter<Endpoint> prefill = {};  ///< which prefill endpoints pass
  Filter<Endpoint> decode = {};   ///< which decode endpoints pass
  /// Which pairs fit: called with the prefill endpoint and then the decode endpoint. If no endpoint fits the one chosen
  /// first, that choice is taken back and another one is made, until all have been tried.
  PredicateRef<Endpoint, Endpoint> compatible = {};

  /// Whether every endpoint and every pair passes.
  [[nodiscard]] bool empty() const noexcept { return prefill.empty() && decode.empty() && !compatible; }
};

}  // namespace v0
}  // namespace pdroute
