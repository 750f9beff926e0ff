// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::PeakEwmaPolicy, pdroute::RandomPolicy<>, Engine>;
void first_token(Router::Route& route) {
#ifdef PDROUTE_MISTAKE
  route.first_token(std::chrono::system_clock::now());
#else
  route.first_token(std::chrono::steady_clock::now());
#endif
}
