// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
#ifdef PDROUTE_MISTAKE
using Policy = pdroute::QpsPolicy<>;
#else
using Policy = pdroute::WithMetrics<pdroute::QpsPolicy<>, pdroute::KvTokens>;
#endif
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, Policy, Engine>;
void generated(Router::DecodeLease& lease) {
  lease.progress(16);
}
