// SPDX-License-Identifier: Apache-2.0
// The answer to `GET /metrics`, after a few requests that ended in different ways.
#include <cstdio>
#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

struct Engine {
  std::string id;
  pdroute::Capacity capacity = {};
};

using Decode = pdroute::WithMetrics<pdroute::RoundRobinPolicy<>, pdroute::KvTokens>;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Decode, Engine>;

std::string metrics(const Router& router) {
  std::string body;  // of an answer of the type text/plain; version=0.0.4
  pdroute::append_prometheus(body, router);
  return body;
}

int main() {
  const std::vector<Engine> prefill{{"p0", {.requests = 4}}, {"p1", {.requests = 4}}};
  const std::vector<Engine> decode{{"d0", {.kv_tokens = 8000}}, {"d1", {.kv_tokens = 8000}}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();

  dispatcher.route({.prompt_tokens = 900}).value().complete();
  auto running = dispatcher.route({.prompt_tokens = 3000}).value();
  running.first_token();
  dispatcher.route({.prompt_tokens = 500}).value().prefill.fail(pdroute::FailureKind::timed_out);  // decode: cancelled
  router.set_health("p1", pdroute::Health::unhealthy);
  static_cast<void>(dispatcher.route({.prompt_tokens = 9000}));  // more than any decode endpoint holds
  std::fputs(metrics(router).c_str(), stdout);
}
