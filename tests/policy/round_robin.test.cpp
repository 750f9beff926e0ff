// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/round_robin.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <type_traits>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Rotation;
using pdroute::RoundRobinPolicy;
using Choices = std::vector<std::optional<std::size_t>>;

template <class Policy>
Choices choices(const Policy& policy, std::size_t n, int times, std::uint64_t stream = 0, std::uint64_t seed = 0) {
  pdroute::LocalContext context{policy, std::chrono::steady_clock{}, seed, stream};
  const std::vector<int> candidates(n);
  Choices chosen;
  for (int i = 0; i < times; ++i) chosen.push_back(policy.select(candidates, pdroute::Request{}, context));
  return chosen;
}

}  // namespace

TEMPLATE_TEST_CASE("round robin: no endpoint gives none, one is always chosen, three take turns", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>) {
  CHECK(choices(TestType{}, 0, 2) == Choices{std::nullopt, std::nullopt});
  CHECK(choices(TestType{}, 1, 3) == Choices{0, 0, 0});
  CHECK(choices(TestType{}, 3, 5) == Choices{0, 1, 2, 0, 1});
}

TEMPLATE_TEST_CASE("round robin: gateways whose seeds are 0, 1, 2, ... start evenly spread", "", RoundRobinPolicy<>,
                   RoundRobinPolicy<Rotation::per_dispatcher>) {
  std::vector<int> first(8, 0);
  for (std::uint64_t seed = 0; seed < 16; ++seed) ++first[*choices(TestType{}, 8, 1, 0, seed).front()];
  const auto [least, most] = std::minmax_element(first.begin(), first.end());
  CHECK(*least >= 1);
  CHECK(*most <= 3);
  CHECK(*choices(TestType{}, 8, 1).front() == 0);
}

TEST_CASE("round robin: dispatchers with their own rotations start far apart") {
  const RoundRobinPolicy<Rotation::per_dispatcher> policy;
  std::vector<std::size_t> first;
  for (std::uint64_t stream = 0; stream < 8; ++stream) first.push_back(*choices(policy, 8, 1, stream).front());
  CHECK(first == std::vector<std::size_t>{0, 4, 2, 6, 1, 5, 3, 7});
  CHECK(choices(policy, 3, 3, 1) == Choices{1, 2, 0});
  CHECK(choices(RoundRobinPolicy<>{}, 3, 3, 1) == Choices{0, 1, 2});  // shared: does not depend on the dispatcher
}

TEMPLATE_TEST_CASE("round robin: an endpoint leaves a caller's list, the turns go on among the rest", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>) {
  constexpr bool by_turn = std::is_same_v<TestType, RoundRobinPolicy<>>;
  const TestType policy;
  pdroute::LocalContext context{policy};
  const auto choose = [&](std::size_t n) { return *policy.select(std::vector<int>(n), pdroute::Request{}, context); };
  CHECK(choose(3) == 0);
  CHECK(choose(3) == 1);
  CHECK(choose(2) == 0);
  CHECK(choose(2) == 1);
  CHECK(choose(3) == (by_turn ? 1 : 2));
}
