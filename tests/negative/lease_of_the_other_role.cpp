// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
void keep(Router::DecodeLease& lease, Router::Route route) {
#ifdef PDROUTE_MISTAKE
  lease = std::move(route.prefill);
#else
  lease = std::move(route.decode);
#endif
}
