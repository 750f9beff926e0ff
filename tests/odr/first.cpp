// SPDX-License-Identifier: Apache-2.0
// One of two translation units that include the whole library. They must link together.
#include <pdroute/pdroute.hpp>

#include "../engines.hpp"

pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::QpsPolicy<>, Engine> make_router();

int main() {
  auto router = make_router();
  auto route = router.dispatcher().route({.prompt_tokens = 1});
  return route && route->decode->id == "d0" ? 0 : 1;
}
