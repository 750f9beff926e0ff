// SPDX-License-Identifier: Apache-2.0
// EndpointKey: names one life of an endpoint in one role of a router.
#pragma once

#include <cstdint>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {

/// Names one life of an endpoint in one role of a router.
struct EndpointKey {
  Role role = Role::prefill;
  std::uint64_t incarnation = 0;

  friend bool operator==(const EndpointKey&, const EndpointKey&) = default;
};

}  // namespace v0
}  // namespace pdroute
