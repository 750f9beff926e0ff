// SPDX-License-Identifier: Apache-2.0
// Churn: a schedule, made before the replay, of endpoints that come and go and of requests that are cancelled.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <pdroute/role.hpp>
#include <vector>

#include "trace.hpp"

namespace replay {

struct ChurnEvent {
  enum class Kind : std::uint8_t {
    remove,   ///< the endpoint leaves its role
    drain,    ///< the endpoint stays a member and gets no new requests
    restore,  ///< the endpoint becomes a member again, as a new incarnation
    cancel,   ///< the request ends in its current phase
  };

  std::chrono::nanoseconds at{};  ///< on the trace's clock
  Kind kind{};
  pdroute::Role role{};    ///< of the endpoint
  std::size_t number = 0;  ///< of the endpoint within its role, or of the request within the trace

  friend bool operator==(const ChurnEvent&, const ChurnEvent&) = default;
};

/// Events in order of time. Events at one moment happen in this order.
using ChurnSchedule = std::vector<ChurnEvent>;

/// Makes a schedule for a trace and these numbers of endpoints, which are all members at first. Each role has an
/// eligible endpoint most of the time, but not always. Same arguments, same schedule.
[[nodiscard]] ChurnSchedule make_churn(const Trace& trace, std::size_t prefill_endpoints, std::size_t decode_endpoints,
                                       std::uint64_t seed);

}  // namespace replay
