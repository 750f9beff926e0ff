// SPDX-License-Identifier: Apache-2.0
// Helpers for the parts of the fuzzed world: pick a router or dispatcher to call, or one lease of a route.
#pragma once

#include <cstdint>
#include <pdroute/pdroute.hpp>

#include "fuzz/world.hpp"

namespace fuzz {

/// Calls `use` with the router (if there is one) or a dispatcher, drawn at random. A dispatcher comes with what the
/// model knows of it.
template <class Use>
void World::with_router_or_dispatcher(const Use& use) {
  const auto count = static_cast<std::uint32_t>(loops_.size()) + (router_ ? 1 : 0);
  const std::uint32_t drawn = draws_.below(count);
  if (drawn < loops_.size()) {
    use(loops_[drawn].dispatcher, &loops_[drawn]);
  } else {
    use(*router_, nullptr);
  }
}

/// Calls `use` with the lease of one role, and with what the model knows of it.
template <class Use>
void World::with_half(Open& open, pdroute::Role role, const Use& use) {
  if (role == pdroute::Role::prefill) {
    use(open.route.prefill, open.stake[place(role)]);
  } else {
    use(open.route.decode, open.stake[place(role)]);
  }
}

}  // namespace fuzz
