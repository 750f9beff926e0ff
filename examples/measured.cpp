// SPDX-License-Identifier: Apache-2.0
// Policies that read measurements: prefill by latency, decode by the reports of the engines (ORCA: load reports).
#include <fmt/core.h>

#include <chrono>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

struct Engine {
  std::string id;
};

int main() {
  const std::vector<Engine> prefill{{"p0"}, {"p1"}}, decode{{"d0"}, {"d1"}};
  using Prefill = pdroute::PeakEwmaPolicy;
  using Decode = pdroute::PowerOfTwoChoicesPolicy<pdroute::ReportedRequests>;
  using Router = pdroute::DisaggregatedRouter<Prefill, Decode, Engine, pdroute::ManualClock>;
  pdroute::ManualClock clock;  // a gateway takes its own; the default is std::chrono::steady_clock
  auto router = Router::create({.prefill = prefill,
                                .decode = decode,
                                .prefill_policy = {.cost = {.ewma = {.decay = 5s}}},
                                .decode_policy = {.cost = {.reports = {.stale_after = 30s}}},
                                .clock = clock})
                    .value();
  auto dispatcher = router.dispatcher();

  const auto measured_at = clock.now();
  router.report<pdroute::Role::decode>("d0", {.running = 12, .waiting = 3}, measured_at);
  router.report<pdroute::Role::decode>("d1", {.running = 10, .waiting = 3}, measured_at);
  if (const auto error = router.report<pdroute::Role::decode>("d7", {.running = 1}, measured_at))
    fmt::print("{}\n", error->text());

  std::vector<Router::Route> routes;
  for (int i = 0; i < 3; ++i) routes.push_back(dispatcher.route({.prompt_tokens = 812}).value());
  for (auto& taken : routes) {
    auto* const route = &taken;
    fmt::print("{}\n", *route);
    clock.advance(route->prefill.id() == "p0" ? 300ms : 100ms);
    route->first_token(clock.now());  // leases of a role that measures time are told it, or they do not compile
    clock.advance(500ms);
    route->complete(clock.now());
  }
  fmt::print("{}\n", dispatcher.route({.prompt_tokens = 812}).value());
}
