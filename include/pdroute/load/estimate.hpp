// SPDX-License-Identifier: Apache-2.0
// Estimate: a measured value of an endpoint, with a weight that says how much of it is still known.
#pragma once

namespace pdroute {
inline namespace v0 {

/// A measured value of an endpoint at the time of asking. Unknown is a state of its own: the weight is 0, and the value
/// means nothing.
struct Estimate {
  double value = 0;   ///< the value, in the unit of the function that returns it
  double weight = 0;  ///< 1 for what has just been measured, falling to 0 as it grows old; 0 for what is unknown

  /// Equal if both members are equal.
  friend bool operator==(const Estimate&, const Estimate&) = default;
};

}  // namespace v0
}  // namespace pdroute
