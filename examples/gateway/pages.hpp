// SPDX-License-Identifier: Apache-2.0
// What the gateway says about itself.
#pragma once

#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/role.hpp>
#include <span>
#include <string>
#include <string_view>

#include "client_connection.hpp"
#include "counters.hpp"
#include "reply.hpp"

namespace gateway {

/// The target without what follows a question mark.
[[nodiscard]] std::string_view path_of(const ClientConnection::Request& request);
[[nodiscard]] Reply method_not_allowed(std::string_view allowed);
[[nodiscard]] Reply models_page(std::string_view model);
[[nodiscard]] Reply health_page();
/// Appends the sum of all loops' counters.
void append_counters(std::string& out, std::span<const Counters* const> loops);

/// Whether requests should be sent here: each role has somebody, and the gateway is not about to end.
template <class Router>
[[nodiscard]] Reply ready_page(const Router& router, bool draining) {
  if (draining) return error_reply(503, "the gateway is draining", "draining");
  for (const auto role : {pdroute::Role::prefill, pdroute::Role::decode}) {
    bool somebody = false;
    for (const auto& status : router.endpoints(role)) {
      somebody = somebody || (status.health == pdroute::Health::healthy &&
                              status.intake == pdroute::Intake::accepting && !status.draining);
    }
    if (!somebody)
      return error_reply(503, std::string("no eligible endpoint for ").append(to_string(role)), "no_endpoint");
  }
  return {.body = "{\"status\":\"ready\"}"};
}

template <class Router>
[[nodiscard]] Reply metrics_page(const Router& router, std::span<const Counters* const> loops) {
  Reply reply{.content_type = "text/plain; version=0.0.4"};
  pdroute::append_prometheus(reply.body, router);
  append_counters(reply.body, loops);
  return reply;
}

}  // namespace gateway
