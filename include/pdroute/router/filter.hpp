// SPDX-License-Identifier: Apache-2.0
// What one request asks of the endpoints beyond being eligible.
#pragma once

#include <algorithm>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <pdroute/router/predicate_ref.hpp>
#include <span>

namespace pdroute {
inline namespace v0 {

/// For one leg of one call. What is left out says nothing; an empty filter costs what no filter costs. A filter that
/// says something is asked once for each eligible endpoint; for the second leg of a route with `compatible`, once for
/// each first endpoint that is tried. Lists are searched from their beginning each time.
///
///     dispatcher.decode(request, {.exclude = failed, .accept = [](const Engine& e) { return e.zone == "a"; }});
///
/// The predicate and the lists are referred to, not copied, and must last as long as the call. The predicate must not
/// call the dispatcher or the router; what it throws passes through, and nothing is reserved or recorded, though a
/// turn of a rotation may be used up.
template <EndpointType Endpoint>
struct Filter {
  std::span<const FailedEndpoint> exclude = {};                           ///< never these; see `FailedEndpoints`
  std::optional<std::span<const EndpointIdView<Endpoint>>> allowed = {};  ///< only these; of an empty list: nobody
  PredicateRef<Endpoint> accept = {};                                     ///< only those for which this is true

  [[nodiscard]] bool empty() const noexcept { return exclude.empty() && !allowed && !accept; }
};

/// For both legs of a route.
///
///     dispatcher.route(request, {.decode = {.exclude = failed},
///                                .compatible = [](const Engine& p, const Engine& d) { return p.group == d.group; }});
template <EndpointType Endpoint>
struct RouteFilter {
  Filter<Endpoint> prefill = {};
  Filter<Endpoint> decode = {};
  /// Which pairs fit, asked with the prefill endpoint and then the decode endpoint. If nobody fits the endpoint chosen
  /// first, that choice is taken back and another one is made, until all have been tried.
  PredicateRef<Endpoint, Endpoint> compatible = {};

  [[nodiscard]] bool empty() const noexcept { return prefill.empty() && decode.empty() && !compatible; }
};

}  // namespace v0
}  // namespace pdroute
