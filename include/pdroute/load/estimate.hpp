// SPDX-License-Identifier: Apache-2.0
// A measured value, and how much it says.
#pragma once

namespace pdroute {
inline namespace v0 {

/// What is known of an endpoint at the moment of asking. Unknown is a state of its own, and no value.
struct Estimate {
  double value = 0;
  double weight = 0;  ///< 1 for what has just been measured, falling to 0 as it grows old; 0 for what is unknown

  friend bool operator==(const Estimate&, const Estimate&) = default;
};

}  // namespace v0
}  // namespace pdroute
