// SPDX-License-Identifier: Apache-2.0
// The other of two translation units that include the whole library. They must link together.
#include <pdroute/pdroute.hpp>

#include "../engines.hpp"

pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::QpsPolicy<>, Engine> make_router();

pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::QpsPolicy<>, Engine> make_router() {
  return pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::QpsPolicy<>, Engine>::create(
             {.prefill = engines("p", 2), .decode = engines("d", 2)})
      .value();
}
