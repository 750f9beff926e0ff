// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Engine>;
void bind(pdroute::SessionTable& sessions, const Router::Route& route) {
#ifdef PDROUTE_MISTAKE
  sessions.bind(pdroute::key("u1"), route.decode, std::chrono::system_clock::now());
#else
  sessions.bind(pdroute::key("u1"), route.decode, std::chrono::steady_clock::now());
#endif
}
