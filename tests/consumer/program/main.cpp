// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

struct Engine {
  std::string id;
};

int main() {
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RandomPolicy<>, Engine>;
  const std::vector<Engine> prefill{{"p0"}};
  const std::vector<Engine> decode{{"d0"}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  const auto route = router.dispatcher().route();
  return route && route->prefill->id == "p0" && route->decode->id == "d0" ? 0 : 1;
}
