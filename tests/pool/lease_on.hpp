// SPDX-License-Identifier: Apache-2.0
// Takes a lease on one endpoint of a pool, without a router.
#pragma once

#include <cstddef>
#include <pdroute/pool/lease.hpp>
#include <pdroute/request.hpp>
#include <string_view>

/// A lease on the eligible endpoint with this id; empty if there is none, or if it takes no more.
template <class Pool>
pdroute::Lease<typename Pool::Slot> lease_on(const Pool& pool, std::string_view id) {
  using Slot = typename Pool::Slot;
  const auto snapshot = pool.snapshot();
  for (std::size_t i = 0; i < snapshot->candidates().size(); ++i) {
    Slot* const slot = snapshot->candidates().slot(i);
    if (slot->id() != id) continue;
    typename Slot::Held held{};
    const auto [attempt, place] = slot->try_reserve(pdroute::Request{}, held);
    if (attempt == Slot::Attempt::reserved) return pdroute::Lease<Slot>{place, held};
  }
  return {};
}
