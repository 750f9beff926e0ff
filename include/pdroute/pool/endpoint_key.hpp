// SPDX-License-Identifier: Apache-2.0
// EndpointKey: names one life of an endpoint in one role of a router.
#pragma once

#include <cstdint>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {

/// Names one life of an endpoint in one role of a router. Outlives the endpoint and its leases.
struct EndpointKey {
  Role role = Role::prefill;      ///< lives are numbered per role
  std::uint64_t incarnation = 0;  ///< the number of the life, see `Lease::incarnation`

  friend bool operator==(const EndpointKey&, const EndpointKey&) = default;
};

}  // namespace v0
}  // namespace pdroute
