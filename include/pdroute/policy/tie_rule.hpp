// SPDX-License-Identifier: Apache-2.0
// What to do when several candidates are equally good.
#pragma once

#include <cstdint>

namespace pdroute {
inline namespace v0 {

enum class TieRule : std::uint8_t {
  rotating,  ///< the next one in registration order after the last choice of this dispatcher: A, B, C, A; at random
             ///< among those that a filter or a lack of room has left
  random,    ///< uniformly, by the dispatcher's seeded generator
  first,     ///< the first in registration order; all idle, one endpoint takes everything
};

}  // namespace v0
}  // namespace pdroute
