// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/random.hpp>

#include <cstdlib>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <random>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::RandomPolicy;

template <class Policy>
std::vector<std::size_t> choices(const Policy& policy, std::size_t n, int times, std::uint64_t stream = 0) {
  pdroute::LocalContext context{policy, std::chrono::steady_clock{}, 0, stream};
  const std::vector<int> candidates(n);
  std::vector<std::size_t> chosen;
  for (int i = 0; i < times; ++i) {
    if (const auto index = policy.select(candidates, pdroute::Request{}, context)) chosen.push_back(*index);
  }
  return chosen;
}

}  // namespace

TEMPLATE_TEST_CASE("random: no endpoint gives none, and each of many is chosen equally often", "", RandomPolicy<>,
                   RandomPolicy<std::mt19937>, RandomPolicy<std::mt19937_64>) {
  CHECK(choices(TestType{}, 0, 3).empty());
  CHECK(choices(TestType{}, 1, 3) == std::vector<std::size_t>{0, 0, 0});
  std::vector<int> count(8, 0);
  for (const std::size_t chosen : choices(TestType{.seed = 1}, 8, 80000)) ++count.at(chosen);
  for (const int times : count) CHECK(std::abs(times - 10000) < 470);  // 5 sigma of binomial(80000, 1/8)
}

TEST_CASE("random: the same seed gives the same choices, another seed or dispatcher gives others") {
  const auto of = [](std::uint64_t seed, std::uint64_t stream) {
    return choices(RandomPolicy<>{.seed = seed}, 100, 20, stream);
  };
  CHECK(of(1, 0) == of(1, 0));
  CHECK(of(1, 0) != of(2, 0));
  CHECK(of(1, 0) != of(1, 1));
}
