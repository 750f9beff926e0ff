// SPDX-License-Identifier: Apache-2.0
// Session affinity: a session goes to the endpoint that served it before, for as long as that endpoint lives.
#include <fmt/core.h>

#include <chrono>
#include <memory>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

struct Engine {
  std::string id;
};

using Sticky = pdroute::SessionAffinityPolicy<pdroute::RoundRobinPolicy<>>;
using Router = pdroute::DisaggregatedRouter<Sticky, Sticky, Engine, pdroute::ManualClock>;

/// Stands for the call of an engine: here, p0 is down.
bool accepts(const auto& lease) {
  return lease.id() != "p0";
}

int main() {
  const std::vector<Engine> prefill{{"p0"}, {"p1"}, {"p2"}}, decode{{"d0"}, {"d1"}, {"d2"}};
  pdroute::ManualClock clock;
  const auto sessions = std::make_shared<pdroute::SessionTable>();
  auto router = Router::create({.prefill = prefill,
                                .decode = decode,
                                .prefill_policy = {.sessions = sessions},
                                .decode_policy = {.sessions = sessions},
                                .clock = clock})
                    .value();
  auto dispatcher = router.dispatcher();

  const auto serve = [&](std::string_view session) {
    const pdroute::Request request{.key = pdroute::key(session)};
    auto route = dispatcher.route(request);
    fmt::print("{}: {}\n", session, *route);
    // Bind an endpoint that has accepted the request. Do it before the lease ends: an ended lease names no endpoint.
    if (accepts(route->prefill)) sessions->bind(*request.key, route->prefill, clock.now());
    if (accepts(route->decode)) sessions->bind(*request.key, route->decode, clock.now());
    route->complete();
  };
  serve("u42");
  serve("u42");
  serve("u43");
  serve("u42");
  clock.advance(std::chrono::hours{5});
  fmt::print("five hours later\n");
  serve("u42");
}
