// SPDX-License-Identifier: Apache-2.0
// Tutorial, step 2: limits that no choice passes.
#include <iostream>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

struct Engine {
  std::string id;
  pdroute::Capacity capacity = {};  // read each time a list names the endpoint
};

// Decode endpoints are limited by their KV memory, so their role counts KV tokens.
using Decode = pdroute::WithMetrics<pdroute::LeastRequestPolicy, pdroute::KvTokens>;
using Router = pdroute::DisaggregatedRouter<pdroute::LeastRequestPolicy, Decode, Engine>;

int main() {
  const std::vector<Engine> prefill{{"p0", {.requests = 4}}};
  const std::vector<Engine> decode{{"d0", {.kv_tokens = 8000}}, {"d1", {.kv_tokens = 4000}}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();

  std::vector<Router::Route> running;
  for (const unsigned tokens : {6000U, 3000U, 1500U, 2500U}) {
    auto route = dispatcher.route({.prompt_tokens = tokens});
    if (route) {
      std::cout << tokens << " tokens: " << route->decode.id() << '\n';
      running.push_back(std::move(*route));
    } else {
      std::cout << tokens << " tokens: " << route.error().text() << "; answer "
                << (route.error().overloaded() ? 429 : 503) << '\n';
    }
  }
  running.front().complete();  // the 6000 tokens are free again
  std::cout << "2500 tokens, tried again: " << dispatcher.route({.prompt_tokens = 2500}).value().decode.id() << '\n';
}
