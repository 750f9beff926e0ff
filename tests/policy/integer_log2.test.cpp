// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/integer_log2.hpp>

#include <cmath>
#include <cstdint>
#include <pdroute/random.hpp>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::log2_table;
using pdroute::detail::negative_log2;

constexpr std::uint64_t unit = std::uint64_t{1} << pdroute::detail::log2_fraction;

}  // namespace

TEST_CASE("log2: the table, computed by squaring integers, is exact to 2^-29") {
  for (std::size_t i = 0; i < log2_table.size(); ++i) {
    const double exact = std::log2(1 + static_cast<double>(i) / 256);
    INFO("entry " << i);
    CHECK(std::abs(static_cast<double>(log2_table.at(i)) / double{unit} - exact) <= std::ldexp(1, -29));
  }
}

TEST_CASE("log2: powers of two are exact, and the largest number gives 3 instead of 0") {
  for (unsigned bit = 0; bit < 64; ++bit) CHECK(negative_log2(std::uint64_t{1} << bit) == (64 - bit) * unit);
  CHECK(negative_log2(UINT64_MAX) == 3);  // not 0: a result of 0 would ignore the weight
}

TEST_CASE("log2: between table entries the result is too high by at most 2^-18, a small result by at most 0.1 %") {
  pdroute::SplitMix64 random{1};
  for (int i = 0; i < 100'000; ++i) {
    // Numbers of all magnitudes, and numbers at distances of all magnitudes from 2^64.
    const std::uint64_t drawn = random() >> (static_cast<unsigned>(i) % 60);
    const std::uint64_t u = i % 2 == 0 ? drawn + 1 : UINT64_MAX - drawn;
    const long double exact = i % 2 == 0
                                  ? 64 - std::log2(static_cast<long double>(u))
                                  : -std::log1p(-(static_cast<long double>(drawn) + 1) * 0x1p-64L) / std::log(2.0L);
    const long double ours = static_cast<long double>(negative_log2(u)) / unit;
    const long double table = 0x1p-29L;
    INFO(u);
    REQUIRE(ours - exact >= -table);
    REQUIRE(ours - exact <= 0x1p-18L + table);
    if (u > UINT64_MAX - (UINT64_MAX >> 9U)) REQUIRE(ours - exact <= exact / 1000 + 8.0L / unit);
  }
}

TEST_CASE("log2: the result never rises with the number") {
  pdroute::SplitMix64 random{2};
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t u = (random() >> (static_cast<unsigned>(i) % 63)) + 1;
    REQUIRE(negative_log2(u) >= negative_log2(u + 1));
    const std::uint64_t step = u & ~(UINT64_MAX >> 8U);  // the border between two table entries
    if (step > 1) REQUIRE(negative_log2(step - 1) >= negative_log2(step));
  }
}

TEST_CASE("log2: the results are the same on every platform") {
  static_assert(negative_log2(3) == 0x3e6a3fe5c619);
  CHECK(negative_log2(0x123456789abcdef0U) == 0x3d05412fbaa);
  CHECK(negative_log2(0xfedcba9876543210U) == 0x1a53035e5);
}
