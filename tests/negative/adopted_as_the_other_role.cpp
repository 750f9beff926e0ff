// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
Router::DecodeLease resume(Router& router, pdroute::LeaseId id) {
#ifdef PDROUTE_MISTAKE
  return router.adopt<pdroute::Role::prefill>(id).value();
#else
  return router.adopt<pdroute::Role::decode>(id).value();
#endif
}
