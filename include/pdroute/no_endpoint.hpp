// SPDX-License-Identifier: Apache-2.0
// Why nobody could be chosen.
#pragma once

#include <cstdint>
#include <pdroute/role.hpp>

namespace pdroute::inline v0 {

/// The answer when no endpoint of a role could be had. Every endpoint of the role counts once, under the first of
/// these that ruled it out, so `unhealthy + paused + draining + declined == endpoints`.
struct NoEndpoint {
  Role role = Role::prefill;    ///< the role that had nobody
  std::uint32_t endpoints = 0;  ///< members of the role, in any state
  std::uint32_t unhealthy = 0;  ///< `Health::unhealthy`
  std::uint32_t paused = 0;     ///< healthy, but `Intake::paused`
  std::uint32_t draining = 0;   ///< draining, or removed while this choice was being made
  std::uint32_t declined = 0;   ///< eligible, but the policy chose none

  friend bool operator==(const NoEndpoint&, const NoEndpoint&) = default;
};

}  // namespace pdroute::inline v0
