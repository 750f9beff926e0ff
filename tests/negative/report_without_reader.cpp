// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
using ByReports = pdroute::LowestCostPolicy<pdroute::ReportedRequests>;
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, ByReports, Engine>;
void heartbeat(Router& router, std::chrono::steady_clock::time_point now) {
#ifdef PDROUTE_MISTAKE
  router.report<pdroute::Role::prefill>("p0", {.running = 1, .waiting = 0}, now);
#else
  router.report<pdroute::Role::decode>("d0", {.running = 1, .waiting = 0}, now);
#endif
}
