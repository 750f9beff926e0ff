// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/round_robin.hpp>

#include <optional>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Rotation;
using pdroute::RoundRobinPolicy;
using Choices = std::vector<std::optional<std::size_t>>;

template <class Policy>
Choices choices(const Policy& policy, std::size_t n, int times, std::uint64_t stream = 0) {
  pdroute::LocalContext context{policy, std::chrono::steady_clock{}, 0, stream};
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

TEMPLATE_TEST_CASE("round robin: starts at first_turn", "", RoundRobinPolicy<>,
                   RoundRobinPolicy<Rotation::per_dispatcher>) {
  CHECK(choices(TestType{.first_turn = 2}, 3, 4) == Choices{2, 0, 1, 2});
}

TEMPLATE_TEST_CASE("round robin: starts at any turn, also where adding turns overflows", "", RoundRobinPolicy<>,
                   RoundRobinPolicy<Rotation::per_dispatcher>) {
  CHECK(choices(TestType{.first_turn = 0xffffffffU}, 4, 6) == Choices{3, 0, 1, 2, 3, 0});
}

TEST_CASE("round robin: dispatchers with their own rotations begin with different endpoints") {
  CHECK(choices(RoundRobinPolicy<Rotation::per_dispatcher>{}, 3, 3, 1) == Choices{1, 2, 0});
  CHECK(choices(RoundRobinPolicy<>{}, 3, 3, 1) == Choices{0, 1, 2});  // a local context has its own turns
}

TEMPLATE_TEST_CASE("round robin: an endpoint leaves between two calls, the turns go on among the rest", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>) {
  const TestType policy;
  pdroute::LocalContext context{policy};
  const auto choose = [&](std::size_t n) { return *policy.select(std::vector<int>(n), pdroute::Request{}, context); };
  CHECK(choose(3) == 0);
  CHECK(choose(3) == 1);
  CHECK(choose(2) == 0);
  CHECK(choose(2) == 1);
  CHECK(choose(3) == 1);
}
