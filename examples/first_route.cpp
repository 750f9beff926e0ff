// SPDX-License-Identifier: Apache-2.0
// The first program of the README: route one request.
#include <iostream>
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
  if (!route) {
    std::cerr << route.error().text() << '\n';  // why no endpoint was left
    return 1;
  }
  std::cout << "send the prompt to " << route->prefill->url << '\n';  // a lease points at the router's copy of Engine
  route->first_token();                                               // the prompt is computed: its place is free
  std::cout << "stream from " << route->decode->url << '\n';
  route->complete();  // last token; destroying a route before that cancels it
}
