// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pdroute.hpp>

struct Nodes {
#ifndef PDROUTE_MISTAKE
  std::size_t size() const { return 0; }
#endif
  int operator[](std::size_t) const { return 0; }
};
static_assert(pdroute::check_policy<pdroute::RandomPolicy<>, Nodes>(), "Nodes are candidates");
