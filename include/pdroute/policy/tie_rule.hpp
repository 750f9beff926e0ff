// SPDX-License-Identifier: Apache-2.0
// TieRule: which candidate wins when several have the same lowest cost.
#pragma once

#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// Which of several candidates with the same lowest cost a policy chooses.
enum class TieRule : std::uint8_t {
  /// The next one in registration order after the endpoint that this dispatcher chose last: A, B, C, A. Each dispatcher
  /// starts at another place. Where filters or a lack of room leave only some of the eligible endpoints, each such set
  /// has an order of its own, which starts at a random place.
  rotating,
  random,  ///< uniformly random, by the dispatcher's seeded generator
  first,   ///< the first in registration order; while all endpoints are idle, it takes every request
};

}  // namespace v0
}  // namespace pdroute
