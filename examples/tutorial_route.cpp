// SPDX-License-Identifier: Apache-2.0
// Tutorial, step 1: route requests and end their leases.
#include <iostream>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

struct Engine {
  std::string id, url;
};

using Router = pdroute::DisaggregatedRouter<pdroute::LeastRequestPolicy, pdroute::LeastRequestPolicy, Engine>;

void show(const char* when, const Router& router) {
  std::cout << when << ':';
  for (const auto role : {pdroute::Role::prefill, pdroute::Role::decode}) {
    for (const auto& status : router.endpoints(role)) std::cout << ' ' << status.id << '=' << status.in_flight;
  }
  std::cout << '\n';
}

int main() {
  const std::vector<Engine> prefill{{"p0", "http://p0"}, {"p1", "http://p1"}};
  const std::vector<Engine> decode{{"d0", "http://d0"}, {"d1", "http://d1"}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();

  auto first = dispatcher.route({.prompt_tokens = 812}).value();
  std::optional<Router::Route> second = dispatcher.route({.prompt_tokens = 40}).value();
  std::cout << "first: " << first.prefill->url << ", then " << first.decode->url << '\n';
  std::cout << "second: " << second->prefill->url << ", then " << second->decode->url << '\n';
  show("two requests run", router);

  first.first_token();  // ends the prefill lease
  show("the first token has come", router);
  first.complete();  // ends the decode lease
  show("the last token has come", router);
  second.reset();  // the client has gone: both leases are cancelled
  show("the other client has gone", router);
}
