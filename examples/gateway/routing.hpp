// SPDX-License-Identifier: Apache-2.0
// The gateway's use of pdroute. All calls of the router are here and in routing.cpp; the other files handle HTTP.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/disaggregated_router.hpp>
#include <string>
#include <vector>

#include "completion.hpp"
#include "config.hpp"
#include "counters.hpp"
#include "engine.hpp"
#include "policies_by_name.hpp"

namespace gateway {

using Router = pdroute::DisaggregatedRouter<examples::ConfiguredPolicy, examples::ConfiguredPolicy, Engine>;

/// The router and a dispatcher for each event loop.
class Routing {
 public:
  /// Makes the routing for a configuration, or returns the router's error about an endpoint.
  [[nodiscard]] static pdroute::Result<Routing, ConfigMistake> create(const Config& config, std::uint64_t start);

  /// Serves one completion, from the choice of its engines to its end. `loop` is the calling event loop's number.
  ///
  /// As long as the client has seen nothing, another engine is tried, but never one on which this request has failed:
  /// - A prefill that fails is repeated on another engine; the decode lease is kept.
  /// - A decode engine that could not be reached, or has refused the request with 429, has not fetched the computed
  ///   prompt, so another decode engine gets it.
  /// - A decode engine that fails later may have fetched the prompt, which can be fetched only once. So the prompt is
  ///   computed again on a new route with both legs.
  ///
  /// The leases end with this coroutine, in every case. Leases without another ending are cancelled.
  boost::asio::awaitable<Ending> serve(std::size_t loop, Completion& completion);

  /// Sets the health of the engine with this id, in each of its roles.
  void set_health(const std::string& id, pdroute::Health health) { router_.set_health(id, health); }
  /// Whether an engine of the role is eligible.
  [[nodiscard]] bool has_eligible(pdroute::Role role) const;
  void append_metrics(std::string& out) const { pdroute::append_prometheus(out, router_); }

 private:
  Routing(const Config& config, Router router);

  unsigned retries_;
  Router router_;
  std::vector<Router::Dispatcher> dispatchers_;
};

}  // namespace gateway
