// SPDX-License-Identifier: Apache-2.0
// Outlier detection: an endpoint that keeps failing is ejected for a while, then probed by a few requests.
#include <fmt/core.h>

#include <chrono>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

using namespace std::chrono_literals;

struct Engine {
  std::string id;
};
using Router =
    pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RoundRobinPolicy<>, Engine, pdroute::ManualClock>;

/// What a gateway does once a second.
void tick(Router& router, pdroute::ManualClock& clock, std::chrono::seconds step) {
  clock.advance(step);
  for (const auto& change : router.advance(clock.now()))
    fmt::print("{}: {}\n", change.id, to_string(change.phase));  // none: it serves again
}

int main() {
  pdroute::ManualClock clock;
  auto router = Router::create({.decode = std::vector<Engine>{{"d0"}, {"d1"}, {"d2"}},
                                .clock = clock,
                                .outlier_detection = {.consecutive_failures = 3, .base_ejection_time = 10s}})
                    .value();
  for (int i = 0; i < 9; ++i) {  // d1 is down
    auto lease = router.decode().value();
    lease.id() == "d1" ? lease.fail(pdroute::FailureKind::unreachable) : lease.complete();
  }
  tick(router, clock, 1s);
  tick(router, clock, 10s);
  std::vector<Router::DecodeLease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(router.decode().value());
  fmt::print("{}\n", *router.endpoint(pdroute::Role::decode, "d1"));  // one of them tries it
  for (auto& lease : leases) lease.complete();
  tick(router, clock, 1s);
}
