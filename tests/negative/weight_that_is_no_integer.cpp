// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
#ifdef PDROUTE_MISTAKE
  double weight = 0.5;
#else
  int weight = 5;
#endif
};
using Router = pdroute::DisaggregatedRouter<pdroute::WeightedRoundRobinPolicy, pdroute::RandomPolicy<>, Engine>;
bool use() {
  return Router::create({}).has_value();
}
