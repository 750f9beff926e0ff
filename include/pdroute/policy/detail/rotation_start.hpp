// SPDX-License-Identifier: Apache-2.0
// Where rotations start: elsewhere for each dispatcher, and elsewhere for each gateway that has a seed of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The stream of one leg of one dispatcher, from which its policy's state is made. Two legs start at places that do not
/// follow from each other. Bits 0 to 31 number the dispatcher, bit 32 is the leg, and the bits above follow from the
/// seed: all zero for seed 0. For the seeds 0, 1, 2, ... they lie evenly between 0 and the largest, because the factors
/// are the fractions of the golden section and of the square root of 2 (Weyl's sequences).
[[nodiscard]] constexpr std::uint64_t stream_of(std::uint64_t seed, Role leg, std::uint64_t dispatcher) noexcept {
  constexpr unsigned leg_shift = 32;
  constexpr unsigned seed_shift = 33;
  const std::uint64_t factor = leg == Role::prefill ? 0x9e3779b97f4a7c15U : 0x6a09e667f3bcc909U;
  return seed * factor >> seed_shift << seed_shift | (leg == Role::decode ? 1ULL : 0ULL) << leg_shift |
         static_cast<std::uint32_t>(dispatcher);
}

// A start is a share of the way round, in units of 2^-32, because the number of candidates is not known yet.

/// Where the rotation starts that all dispatchers share.
[[nodiscard]] constexpr std::uint32_t shared_start(std::uint64_t stream) noexcept {
  return static_cast<std::uint32_t>(stream >> 33U << 1U);
}
/// Where the rotation starts that this dispatcher has for itself: any number of dispatchers lie evenly on the circle,
/// 0, 1/2, 1/4, 3/4, ..., and any number of pairs of legs lie evenly on all pairs.
/// Source: the first two dimensions of Sobol's sequence, 1967.
[[nodiscard]] constexpr std::uint32_t own_start(std::uint64_t stream) noexcept {
  const bool second_dimension = (stream >> 32U & 1U) != 0;
  std::uint32_t start = 0;
  std::uint32_t direction = std::uint32_t{1} << 31U;
  for (auto number = static_cast<std::uint32_t>(stream); number != 0; number >>= 1U) {
    if ((number & 1U) != 0) start ^= direction;
    direction = second_dimension ? direction ^ direction >> 1U : direction >> 1U;
  }
  return start + shared_start(stream);
}

/// The index at that share of the way round `n` indices.
[[nodiscard]] constexpr std::size_t index_at(std::uint32_t start, std::size_t n) noexcept {
  return std::uint64_t{start} * n >> 32U;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
