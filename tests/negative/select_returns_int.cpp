// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <vector>

struct MyPolicy {
#ifdef PDROUTE_MISTAKE
  int select(const auto& /*candidates*/, const auto& /*request*/, auto& /*context*/) const { return -1; }
#else
  std::optional<std::size_t> select(const auto& /*candidates*/, const auto& /*request*/, auto& /*context*/) const {
    return std::nullopt;
  }
#endif
};
static_assert(pdroute::check_policy<MyPolicy, std::vector<int>>(), "MyPolicy is a policy");
