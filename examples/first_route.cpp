// SPDX-License-Identifier: Apache-2.0
// The example of the README: route one request.
#include <fmt/core.h>

#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

struct Engine {
  std::string id, url;
};  // the gateway's own endpoint type

int main() {
  const std::vector<Engine> prefill{{"p0", "http://p0"}, {"p1", "http://p1"}}, decode{{"d0", "http://d0"}};
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::QpsPolicy<>, Engine>;
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();  // one per thread or event loop
  auto route = dispatcher.route({.prompt_tokens = 812});
  if (!route) return fmt::print("{}\n", route.error()), 1;     // why nobody was left
  fmt::print("send the prompt to {}\n", route->prefill->url);  // a lease points at the router's copy of your Engine
  route->first_token();                                        // the prompt's place is free
  fmt::print("stream from {}\n", route->decode->url);
  route->complete();  // last token; a route that is destroyed instead was cancelled
}
