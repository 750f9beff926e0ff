// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
#ifdef PDROUTE_MISTAKE
using More = pdroute::RequestRate;  // needs a window
#else
using More = pdroute::Tokens;
#endif
using Router =
    pdroute::DisaggregatedRouter<pdroute::WithMetrics<pdroute::RandomPolicy<>, More>, pdroute::RandomPolicy<>, Engine>;
bool use(Router& router) {
  return router.route().has_value();
}
