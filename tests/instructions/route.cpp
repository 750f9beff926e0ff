// SPDX-License-Identifier: Apache-2.0
// Makes a number of routes without a filter. With PDROUTE_ALSO_FILTER, the same program also routes with filters.
#include <array>
#include <cstddef>
#include <cstdlib>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

namespace {

struct Engine {
  std::string id;
};

std::vector<Engine> engines(char role) {
  std::vector<Engine> list;
  for (int i = 0; i < 8; ++i) list.push_back({role + std::to_string(i)});
  return list;
}

template <class Policy>
void route(std::size_t decisions) {
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Engine>;
  auto router = Router::create({.prefill = engines('p'), .decode = engines('d')}).value();
  auto dispatcher = router.dispatcher();
#ifdef PDROUTE_ALSO_FILTER
  const auto accept = [](const Engine& engine) { return engine.id != "d0"; };
  const auto compatible = [](const Engine& p, const Engine& d) { return p.id != d.id; };
  static_cast<void>(dispatcher.route({}, {.decode = {.accept = accept}, .compatible = compatible}));
  static_cast<void>(dispatcher.decode({}, {.accept = accept}));
#endif
  std::array<typename Router::Route, 32> outstanding;
  for (std::size_t k = 0; k < decisions; ++k) {
    auto route = dispatcher.route();
    auto& oldest = outstanding[k % outstanding.size()];
    oldest.complete();
    if (route) oldest = std::move(*route);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  const std::string policy = arguments[1];
  const std::size_t decisions = std::strtoul(arguments[2], nullptr, 10);
  if (policy == "random") {
    route<pdroute::RandomPolicy<>>(decisions);
  } else if (policy == "round_robin") {
    route<pdroute::RoundRobinPolicy<>>(decisions);
  } else {
    return 2;
  }
  return 0;
}
