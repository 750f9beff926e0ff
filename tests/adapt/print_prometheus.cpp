// SPDX-License-Identifier: Apache-2.0
// Prints every metric family of pdroute, with labels that are hard to escape, for promtool to check.
#include <cstdio>
#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/pdroute.hpp>
#include <string>

#include "engines.hpp"

int main() {
  using Policy = pdroute::WithMetrics<pdroute::QpsPolicy<>, pdroute::Tokens, pdroute::KvTokens>;
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Engine>;
  const Engines list{{"plain"}, {"back\\slash, \"quotes\" {braces}"}, {"two\nlines"}, {"\xC3\xA9 #1 = 2"}};
  auto router = Router::create({.prefill = list, .decode = list}).value();
  for (const auto role : {pdroute::Role::prefill, pdroute::Role::decode}) {
    for (const auto& engine : list) {
      if (router.set_capacity(role, engine.id, {.requests = 9, .tokens = 99, .kv_tokens = 999})) return 1;
    }
  }
  auto route = router.route({.prompt_tokens = 7}).value();
  std::string text;
  pdroute::append_prometheus(text, router);
  std::fputs(text.c_str(), stdout);
}
