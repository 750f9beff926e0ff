// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::PeakEwmaPolicy, pdroute::RandomPolicy<>, Engine>;
void first_token(Router::Route& route, std::chrono::steady_clock::time_point now) {
#ifdef PDROUTE_MISTAKE
  static_cast<void>(now);
  route.first_token();
#else
  route.first_token(now);
#endif
}
