// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
#ifdef PDROUTE_MISTAKE
Router::Route twice(Router::Route& route) {
  return route;
}
#else
Router::Route twice(Router::Route& route) {
  return std::move(route);
}
#endif
