// SPDX-License-Identifier: Apache-2.0
// EndpointKey: names one life of an endpoint in one role of a router.
#pragma once

#include <cstdint>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {

/// Names one life of an endpoint in one role of one router. Outlives the endpoint and its leases. Another router's key
/// equals none of this router's, because their marks differ. To name a member by hand, take `EndpointStatus::key`.
struct EndpointKey {
  Role role = Role::prefill;      ///< lives are numbered per role
  std::uint64_t incarnation = 0;  ///< the number of the life, see `Lease::incarnation`
  std::uint64_t router = 0;       ///< the mark of the router, from its address, seed, number and time of creation

  friend bool operator==(const EndpointKey&, const EndpointKey&) = default;
};

}  // namespace v0
}  // namespace pdroute
