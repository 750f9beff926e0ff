// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
struct ReadsTokens : pdroute::RandomPolicy<> {
  using Load = pdroute::Tokens;
};
#ifdef PDROUTE_MISTAKE
using More = pdroute::Tokens;
#else
using More = pdroute::KvTokens;
#endif
using Router = pdroute::DisaggregatedRouter<pdroute::WithMetrics<ReadsTokens, More>, pdroute::RandomPolicy<>, Engine>;
bool use(Router& router) {
  return router.route().has_value();
}
