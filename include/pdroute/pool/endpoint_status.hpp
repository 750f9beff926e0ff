// SPDX-License-Identifier: Apache-2.0
// What a pool reports: the state of a member, and what an assignment changed.
#pragma once

#include <cstdint>
#include <pdroute/endpoint.hpp>
#include <vector>

namespace pdroute::inline v0 {

/// One member of a role at one moment.
template <EndpointType Endpoint>
struct EndpointStatus {
  EndpointId<Endpoint> id;
  std::uint64_t incarnation = 0;
  Health health = Health::healthy;
  Intake intake = Intake::accepting;
  bool draining = false;
  std::uint32_t in_flight = 0;

  /// No request runs here and none ever will: the endpoint may be switched off.
  [[nodiscard]] bool drained() const noexcept { return draining && in_flight == 0; }
};

/// What `assign` did, by id: `added` and `kept` in the order of the list, `removed` in registration order. An endpoint
/// that came back as another incarnation is in `added` and in `removed`.
template <EndpointType Endpoint>
struct Assignment {
  std::vector<EndpointId<Endpoint>> added;
  std::vector<EndpointId<Endpoint>> removed;
  std::vector<EndpointId<Endpoint>> kept;
};

}  // namespace pdroute::inline v0
