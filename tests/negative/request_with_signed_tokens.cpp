// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
struct Generation {
#ifdef PDROUTE_MISTAKE
  std::int64_t prompt_tokens = -1;  // unknown
#else
  std::uint64_t prompt_tokens = 0;
#endif
};
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::LeastTokensPolicy, Engine>;
void route(Router::Dispatcher& dispatcher) {
  static_cast<void>(dispatcher.route(Generation{}));
}
