// SPDX-License-Identifier: Apache-2.0
// Membership changes while requests run: endpoints are added, marked unhealthy, drained and removed.
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

  // Pass the whole list of members; the router finds what has changed.
  const auto report = router.assign(Role::decode, std::vector<Engine>{{"d0"}, {"d2"}}).value();
  fmt::print("added {}, removed {}, kept {}\n", report.added, report.removed, report.kept);

  // Draining: no new request is sent there; the running one goes on to its end.
  router.drain(Role::decode, "d0");
  fmt::print("drained: {}\n", router.endpoints(Role::decode)[0].drained());
  running->decode.complete();
  fmt::print("drained: {}\n", router.endpoints(Role::decode)[0].drained());

  // The gateway decides which endpoint is healthy. If no endpoint is left, the answer says why.
  router.set_health("d2", pdroute::Health::unhealthy);
  fmt::print("{}\n", router.route().error());

  // An entry that breaks a rule holds up no other.
  const auto faulty = router.assign(Role::decode, std::vector<Engine>{{"d3"}, {""}}).value();
  fmt::print("added {}, refused {}\n", faulty.added, faulty.refused[0]);
}
