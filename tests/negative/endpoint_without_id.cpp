// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
#ifdef PDROUTE_MISTAKE
  std::string url;
#else
  std::string id;
#endif
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
bool use(Router& router) {
  return router.route().has_value();
}
