// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <string>

struct Engine {
  std::string id;
};
struct MyRequest {
#ifdef PDROUTE_MISTAKE
  std::uint64_t length = 0;
#else
  std::uint64_t prompt_tokens = 0;
#endif
};
using Counted = pdroute::WithMetrics<pdroute::RandomPolicy<>, pdroute::KvTokens>;
using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, Counted, Engine>;
bool use(Router& router) {
  return router.decode(MyRequest{}).has_value();
}
