// SPDX-License-Identifier: Apache-2.0
// Draws uniformly from [0, 1).
#pragma once

#include <pdroute/random.hpp>

namespace replay {

[[nodiscard]] constexpr double unit_draw(pdroute::SplitMix64& generator) noexcept {
  return static_cast<double>(generator() >> 11U) * 0x1p-53;  // a double holds 53 bits exactly
}

}  // namespace replay
