// SPDX-License-Identifier: Apache-2.0
// Endpoints come, fall ill, drain and go while requests run.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

struct Engine {
  std::string id;
};

int main() {
  using pdroute::Role;
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine>;
  std::vector<Engine> prefill{{"p0"}};
  std::vector<Engine> decode{{"d0"}, {"d1"}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto running = router.route();

  // Say what the members are, not what changed: the router compares.
  const auto report = router.assign(Role::decode, std::vector<Engine>{{"d0"}, {"d2"}}).value();
  fmt::print("added {}, removed {}, kept {}\n", report.added, report.removed, report.kept);

  // Draining: no new request, the running one ends in peace.
  router.drain(Role::decode, "d0");
  fmt::print("drained: {}\n", router.endpoints(Role::decode)[0].drained());
  running->decode.complete();
  fmt::print("drained: {}\n", router.endpoints(Role::decode)[0].drained());

  // Health is yours to judge. When nobody is left, the answer says why.
  router.set_health("d2", pdroute::Health::unhealthy);
  fmt::print("{}\n", router.route().error());

  // A list that breaks a rule is refused as a whole.
  const auto refused = router.assign(Role::decode, std::vector<Engine>{{"d3"}, {"d3"}});
  fmt::print("{}\n", refused.error());
}
