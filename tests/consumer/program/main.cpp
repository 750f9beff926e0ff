// SPDX-License-Identifier: Apache-2.0
#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

struct Engine {
  std::string id;
};

int main() {
  using Decode = pdroute::WithMetrics<pdroute::RandomPolicy<>, pdroute::KvTokens>;
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, Decode, Engine>;
  const std::vector<Engine> prefill{{"p0"}};
  const std::vector<Engine> decode{{"d0"}, {"d1"}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();
  const auto last = [](const Engine& engine) { return engine.id == "d1"; };
  const auto route = dispatcher.route({.prompt_tokens = 812}, {.decode = {.accept = last}});
  std::string metrics;
  pdroute::append_prometheus(metrics, router);
  const bool counted = metrics.find(R"(pdroute_kv_tokens_held{role="decode",endpoint="d1"} 812)") != std::string::npos;
  return route && route->prefill->id == "p0" && route->decode->id == "d1" && counted ? 0 : 1;
}
