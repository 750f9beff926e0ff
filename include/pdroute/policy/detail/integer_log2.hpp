// SPDX-License-Identifier: Apache-2.0
// negative_log2: a logarithm in integers, with the same result on every platform.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The number of bits after the point, in fixed point.
inline constexpr unsigned log2_fraction = 40;

/// log2(1 + i / 256) for i = 0..256, computed bit by bit. Squaring a number doubles its logarithm. If the square
/// reaches 2, the next bit of the logarithm is 1. The error is at most 2^-29: each squaring loses at most one unit of
/// 2^-31, and its loss counts half as much as the one before.
inline constexpr auto log2_table = [] {
  std::array<std::uint64_t, 257> table{};
  for (std::uint64_t i = 0; i < 256; ++i) {
    std::uint64_t number = (256 + i) << 23U;  // in [1, 2), in units of 2^-31
    for (unsigned bit = 0; bit < log2_fraction; ++bit) {
      const std::uint64_t square = number * number >> 31U;
      const std::uint64_t reached = square >> 32U;
      table[i] = table[i] * 2 + reached;
      number = square >> reached;
    }
  }
  table[256] = std::uint64_t{1} << log2_fraction;
  return table;
}();

/// -log2(u / 2^64) in units of 2^-40. Precondition: `u` > 0. The result is 64 * 2^40 for `u` = 1. It never rises with
/// `u` and never reaches zero.
///
/// Between the entries of the table the function is linear, so the result is too high by at most 2^-18. Near u = 2^64,
/// where the result goes to zero, it is too high by at most a thousandth of itself plus eight units.
[[nodiscard]] constexpr std::uint64_t negative_log2(std::uint64_t u) noexcept {
  const auto zeros = static_cast<unsigned>(std::countl_zero(u));
  const std::uint64_t mantissa = u << zeros << 1U;  // the bits after the leading 1
  const std::uint64_t i = mantissa >> 56U;
  const std::uint64_t rest = (mantissa << 8U) >> 34U;  // the fraction of the way to the next entry, in units of 2^-30
  const std::uint64_t fraction = log2_table[i] + ((log2_table[i + 1] - log2_table[i]) * rest >> 30U);
  return ((std::uint64_t{zeros} + 1) << log2_fraction) - fraction;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
