// SPDX-License-Identifier: Apache-2.0
// A program that imports the module instead of including the headers.
#include <string>
#include <vector>

import pdroute;

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
  auto route = dispatcher.route({.prompt_tokens = 812}, {.decode = {.accept = last}});
  if (!route || route->prefill->id != "p0" || route->decode->id != "d1") return 1;
  route->first_token();
  route->complete();
  return pdroute::key("u42") == pdroute::key("u42") && to_string(pdroute::Role::decode) == "decode" ? 0 : 2;
}
