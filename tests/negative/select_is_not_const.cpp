// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
#ifdef PDROUTE_MISTAKE
#define CONST
#else
#define CONST const
#endif
struct MyPolicy {
  std::optional<std::size_t> select(const auto& /*candidates*/, const auto& /*request*/, auto& /*context*/) CONST {
    return 0;
  }
};
using Router = pdroute::DisaggregatedRouter<MyPolicy, pdroute::RandomPolicy<>, Engine>;
bool use(Router& router) {
  return router.route().has_value();
}
