// SPDX-License-Identifier: Apache-2.0
#include <pdroute/random.hpp>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "catch2_compat.hpp"

namespace {

/// Returns the numbers that a test gives it, to reach the rare branches of a bounded draw.
struct Scripted {
  using result_type = std::uint32_t;
  Scripted() = default;
  explicit Scripted(result_type /*seed*/) {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffffU; }
  result_type operator()() { return draws.at(position++); }

  std::vector<result_type> draws;
  std::size_t position = 0;
};

/// The range of `std::minstd_rand` would make a bounded draw biased.
static_assert(!pdroute::BitGenerator<std::minstd_rand>);
static_assert(pdroute::BitGenerator<std::mt19937>);
static_assert(pdroute::BitGenerator<std::mt19937_64>);
static_assert(pdroute::BitGenerator<pdroute::SplitMix64>);

template <class G>
double chi_square(G generator, std::uint32_t bound, int draws) {
  std::vector<int> count(bound, 0);
  for (int i = 0; i < draws; ++i) ++count[pdroute::below(generator, bound)];
  const double expected = static_cast<double>(draws) / bound;
  double sum = 0;
  for (const int c : count) sum += (c - expected) * (c - expected) / expected;
  return sum;
}

}  // namespace

TEST_CASE("SplitMix64: gives the sequence of its published reference implementation") {
  pdroute::SplitMix64 generator{0};
  CHECK(generator() == 0xe220a8397b1dcdafU);
  CHECK(generator() == 0x6e789e6aa1b965f4U);
  CHECK(generator() == 0x06c45d188009454fU);
}

TEST_CASE("bounded draw: uniform with every generator") {
  // The 99.9 % quantile of chi-square with 6 degrees of freedom is 22.5. The seeds are fixed, so the result is too.
  CHECK(chi_square(pdroute::SplitMix64{1}, 7, 70000) < 22.5);
  CHECK(chi_square(std::mt19937{1}, 7, 70000) < 22.5);
  CHECK(chi_square(std::mt19937_64{1}, 7, 70000) < 22.5);
}

TEST_CASE("bounded draw: exactly the draws that would cause a bias are rejected") {
  // 2^32 = 3 * 1431655765 + 1: for a bound of 3, one of the 2^32 draws must be rejected: the draw with product 0.
  Scripted generator;
  generator.draws = {0, 1431655766U};
  CHECK(pdroute::below(generator, 3) == 1);
  CHECK(generator.position == 2);

  generator = {};
  generator.draws = {1};  // the product 3 is below the bound's complement but not biased
  CHECK(pdroute::below(generator, 3) == 0);
  CHECK(generator.position == 1);
}

TEST_CASE("bounded draw: reaches 0 and bound - 1, and nothing outside") {
  Scripted generator;
  generator.draws = {0xffffffffU, 0, 0x80000000U};
  CHECK(pdroute::below(generator, 2) == 1);
  CHECK(pdroute::below(generator, 2) == 0);
  CHECK(pdroute::below(generator, 1) == 0);
}

TEST_CASE("stream seed: streams of one seed differ, and the same stream repeats") {
  CHECK(pdroute::stream_seed(7, 0) == pdroute::stream_seed(7, 0));
  CHECK(pdroute::stream_seed(7, 0) != pdroute::stream_seed(7, 1));
  CHECK(pdroute::stream_seed(7, 0) != pdroute::stream_seed(8, 0));
}
