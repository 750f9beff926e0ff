// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
template <>
struct pdroute::EndpointTraits<Engine> {
  static const std::string& id(const Engine& engine) { return engine.id; }
#ifdef PDROUTE_MISTAKE
  static pdroute::Capacity capacity(pdroute::Role, const Engine&) { return {.requests = 1}; }
#else
  static pdroute::Capacity capacity(const Engine&, pdroute::Role) { return {.requests = 1}; }
#endif
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
bool use() {
  return Router::create({}).has_value();
}
