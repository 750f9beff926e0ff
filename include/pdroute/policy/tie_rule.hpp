// SPDX-License-Identifier: Apache-2.0
// TieRule: which candidate wins when several have the same lowest cost.
#pragma once

#include <cstdint>

namespace pdroute {
inline namespace v0 {

/// Which of several candidates with the same lowest cost a policy chooses.
enum class TieRule : std::uint8_t {
  /// The next one in registration order after the last choice of this dispatcher: A, B, C, A. If a filter or a lack of
  /// room leaves only some of the eligible endpoints, the order starts at a random one of those.
  rotating,
  random,  ///< uniformly random, by the dispatcher's seeded generator
  first,   ///< the first in registration order; while all endpoints are idle, it takes every request
};

}  // namespace v0
}  // namespace pdroute
