// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
struct MyPolicy {
#ifdef PDROUTE_MISTAKE
  std::optional<std::size_t> choose(const auto& /*candidates*/, const auto& /*request*/, auto& /*context*/) const {
#else
  std::optional<std::size_t> select(const auto& /*candidates*/, const auto& /*request*/, auto& /*context*/) const {
#endif
      return 0;
}
}
;
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, MyPolicy, Engine>;
bool use(Router& router) {
  return router.route().has_value();
}
