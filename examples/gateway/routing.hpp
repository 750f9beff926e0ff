// SPDX-License-Identifier: Apache-2.0
// How the gateway uses pdroute. Everything that asks the router, or tells it something, is here and in routing.cpp; the
// other files speak HTTP.
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

/// The router, and a dispatcher for each event loop.
class Routing {
 public:
  /// The routing that a configuration asks for, or the router's complaint about an endpoint.
  [[nodiscard]] static pdroute::Result<Routing, ConfigMistake> create(const Config& config, std::uint64_t start);

  /// Serves one completion, from the choice of its engines to its end. `loop` is the calling event loop's number.
  ///
  /// Another engine is tried as long as the client has seen nothing, and never one that this request has failed on:
  /// - A prefill that fails is repeated elsewhere; decode keeps its place.
  /// - A decode engine that could not be reached, or has turned the request away, has not touched the computed prompt,
  ///   so another one gets it.
  /// - A decode engine that fails later may have fetched the prompt, which can be fetched once. It is computed again: a
  ///   new route, both legs.
  ///
  /// Whatever ends this coroutine, the leases end with it: those that nobody completed or failed are cancelled.
  boost::asio::awaitable<Ending> serve(std::size_t loop, Completion& completion);

  /// Of the engine with this id, in each of its roles.
  void set_health(const std::string& id, pdroute::Health health) { router_.set_health(id, health); }
  /// Whether some engine of the role is eligible.
  [[nodiscard]] bool somebody_for(pdroute::Role role) const;
  void append_metrics(std::string& out) const { pdroute::append_prometheus(out, router_); }

 private:
  Routing(const Config& config, Router router);

  unsigned retries_;
  Router router_;
  std::vector<Router::Dispatcher> dispatchers_;
};

}  // namespace gateway
