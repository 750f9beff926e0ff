// SPDX-License-Identifier: Apache-2.0
// Which endpoints may be chosen: limits of endpoints, filters of requests, retries, and the reason if none is left.
#include <fmt/core.h>

#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

struct Engine {
  std::string id;
  char group = 'a';
  pdroute::Capacity capacity = {};  // read each time a list names the endpoint
};

// Decode endpoints are limited by their KV memory, so that role counts KV tokens.
using Decode = pdroute::WithMetrics<pdroute::RoundRobinPolicy<>, pdroute::KvTokens>;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Decode, Engine>;

void limits(Router& router) {
  auto dispatcher = router.dispatcher();
  auto first = dispatcher.route({.prompt_tokens = 6000});   // d0 holds 6,000 of 8,000 KV tokens
  auto second = dispatcher.route({.prompt_tokens = 3000});  // d1
  auto third = dispatcher.route({.prompt_tokens = 3000});   // d0 has no room, so d1 again
  fmt::print("{}\n{}\n{}\n", *first, *second, *third);
  const auto refused = dispatcher.route({.prompt_tokens = 9000});
  fmt::print("{}; try again later: {}\n", refused.error(), refused.error().overloaded());
  const auto later = dispatcher.route({.prompt_tokens = 6000});
  fmt::print("{}; try again later: {}\n", later.error(), later.error().overloaded());

  first->decode.progress(2500);  // tokens generated: beyond the limit, but that is reported, not refused
  fmt::print("{}\n", router.endpoints(pdroute::Role::decode)[0]);
}

void another_try(Router& router) {
  auto dispatcher = router.dispatcher();
  const auto group = [](const Engine& engine) { return engine.group; };  // pairs stay within a group
  auto route = dispatcher.route({}, {.group = group}).value();
  const Engine prefill = *route.prefill;  // a copy: a lease that has ended names no endpoint
  route.first_token();                    // the prompt is computed; this work is kept
  pdroute::FailedEndpoints<> failed;
  fmt::print("{} -> {} fails, ", prefill.id, route.decode);
  route.decode.fail(pdroute::FailureKind::unreachable, failed);
  const auto retry = dispatcher.decode({}, {.exclude = failed, .group = group}, prefill);
  if (!retry) fmt::print("{}\n", retry.error());
  const auto anew = dispatcher.route({}, {.exclude = failed, .group = group});
  fmt::print("the whole request again: {}\n", *anew);
}

void wishes(Router& router) {
  auto dispatcher = router.dispatcher();
  const auto same_group = [](const Engine& p, const Engine& d) { return p.group == d.group; };
  for (int i = 0; i < 2; ++i) {
    const auto route = dispatcher.route({}, {.compatible = same_group}).value();
    fmt::print("{} in group {}\n", route, route.prefill->group);
  }
  const auto in_c = [](const Engine& engine) { return engine.group == 'c'; };
  fmt::print("{}\n", dispatcher.route({}, {.decode = {.accept = in_c}}).error());
}

int main() {
  const std::vector<Engine> prefill{{.id = "p0", .group = 'a'}, {.id = "p1", .group = 'b'}};
  const std::vector<Engine> decode{{.id = "d0", .group = 'a', .capacity = {.kv_tokens = 8000}},
                                   {.id = "d1", .group = 'b', .capacity = {.kv_tokens = 8000}}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  limits(router);
  another_try(router);
  wishes(router);
}
