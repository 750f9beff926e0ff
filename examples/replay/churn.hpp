// SPDX-License-Identifier: Apache-2.0
// Endpoints that come and go and requests that are cancelled, as a schedule made before the replay.
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
    remove,   ///< the endpoint is no member of its role any more
    drain,    ///< it stays a member and gets no new requests
    restore,  ///< after either: it becomes a member again, as a new incarnation
    cancel,   ///< the request ends where it is
  };

  std::chrono::nanoseconds at{};  ///< on the trace's clock
  Kind kind{};
  pdroute::Role role{};    ///< of the endpoint
  std::size_t number = 0;  ///< of the endpoint within its role, or of the request within the trace

  friend bool operator==(const ChurnEvent&, const ChurnEvent&) = default;
};

/// In order of time; events of one moment happen in this order.
using ChurnSchedule = std::vector<ChurnEvent>;

/// A schedule for a trace and so many endpoints per role, all of them members at first. Mostly leaves each role an
/// eligible endpoint, but not always. Same arguments, same schedule.
[[nodiscard]] ChurnSchedule make_churn(const Trace& trace, std::size_t prefill_endpoints, std::size_t decode_endpoints,
                                       std::uint64_t seed);

}  // namespace replay
