// SPDX-License-Identifier: Apache-2.0
// How the parts of the fuzzed world reach somebody to ask, and one half of a route.
#pragma once

#include <cstdint>
#include <pdroute/pdroute.hpp>

#include "fuzz/world.hpp"

namespace fuzz {

/// Calls `use` with the router, if there is one, or with a dispatcher and what the model knows of it.
template <class Use>
void World::with_somebody(const Use& use) {
  const auto count = static_cast<std::uint32_t>(loops_.size()) + (router_ ? 1 : 0);
  const std::uint32_t who = draws_.below(count);
  if (who < loops_.size()) {
    use(loops_[who].dispatcher, &loops_[who]);
  } else {
    use(*router_, nullptr);
  }
}

template <class Use>
void World::with_half(Open& open, pdroute::Role role, const Use& use) {
  if (role == pdroute::Role::prefill) {
    use(open.route.prefill, open.stake[place(role)]);
  } else {
    use(open.route.decode, open.stake[place(role)]);
  }
}

}  // namespace fuzz
