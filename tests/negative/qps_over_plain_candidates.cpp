// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>
#include <vector>

#ifdef PDROUTE_MISTAKE
struct Node {};
#else
struct Node {
  std::uint32_t arrivals(std::int64_t /*bucket*/) const { return 0; }
};
#endif
static_assert(pdroute::check_policy<pdroute::QpsPolicy<>, std::vector<Node>>());

std::optional<std::size_t> choose(const std::vector<Node>& nodes) {
  const pdroute::QpsPolicy<> policy;
  pdroute::LocalContext context{policy};
  return policy.select(nodes, pdroute::Request{}, context);
}
