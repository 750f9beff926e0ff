// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
Router::DecodeLease resume(Router& router, pdroute::LeaseId token) {
#ifdef PDROUTE_MISTAKE
  return router.adopt<pdroute::Role::prefill>(token).value();
#else
  return router.adopt<pdroute::Role::decode>(token).value();
#endif
}
