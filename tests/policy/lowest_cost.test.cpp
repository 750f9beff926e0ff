// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/policy/lowest_cost.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::LowestCostPolicy;
using pdroute::TieRule;

struct Price {
  double operator()(double candidate) const { return candidate; }
};
template <std::size_t compared>
using CheapestOf = LowestCostPolicy<Price, compared>;

template <class Policy, class Candidates>
std::vector<std::size_t> choices(const Policy& policy, const Candidates& candidates, int times,
                                 std::uint64_t seed = 0) {
  pdroute::LocalContext context{policy, pdroute::ManualClock{}, seed};
  std::vector<std::size_t> chosen;
  for (int i = 0; i < times; ++i) {
    if (const auto index = policy.select(candidates, pdroute::Request{}, context)) chosen.push_back(*index);
  }
  return chosen;
}

using Indices = std::vector<std::size_t>;

}  // namespace

TEMPLATE_TEST_CASE("lowest cost: no candidate gives none, and of fewer candidates than choices the cheapest is chosen",
                   "", CheapestOf<pdroute::all_candidates>, CheapestOf<2>, CheapestOf<3>, CheapestOf<8>) {
  CHECK(choices(TestType{}, std::vector<double>{}, 3).empty());
  CHECK(choices(TestType{}, std::vector<double>{7}, 3) == Indices{0, 0, 0});
  CHECK(choices(TestType{}, std::vector<double>{2, 1}, 20) == Indices(20, 1));
}

TEST_CASE("lowest cost: all candidates are compared, and equal ones take turns") {
  CHECK(choices(CheapestOf<pdroute::all_candidates>{}, std::vector<double>{3, 1, 2}, 3) == Indices{1, 1, 1});
  CHECK(choices(CheapestOf<pdroute::all_candidates>{}, std::vector<double>{1, 1, 9, 1}, 6) ==
        Indices{0, 1, 3, 0, 1, 3});
}

TEST_CASE("lowest cost: with k random choices, the shares are those of the cheapest in a random set of k") {
  // The r-th cheapest of n is the cheapest of k distinct ones in binomial(n-1-r, k-1) of binomial(n, k) sets.
  constexpr int times = 100'000;
  const std::vector<double> candidates{10, 20, 30, 40, 50, 60};
  const auto binomial = [](double n, double k) {
    double product = 1;
    for (double i = 0; i < k; ++i) product *= (n - i) / (i + 1);
    return n < k ? 0 : product;
  };
  const auto check = [&]<std::size_t k>(CheapestOf<k> policy) {
    std::vector<int> count(candidates.size(), 0);
    for (const std::size_t chosen : choices(policy, candidates, times)) ++count.at(chosen);
    for (std::size_t r = 0; r < candidates.size(); ++r) {
      INFO("k = " << k << ", rank " << r);
      const double share = binomial(5.0 - static_cast<double>(r), k - 1.0) / binomial(6, k);
      const double five_sigma = 5 * std::sqrt(times * share * (1 - share));
      CHECK(std::abs(count.at(r) - times * share) <= five_sigma);
    }
  };
  check(CheapestOf<1>{});
  check(CheapestOf<2>{});
  check(CheapestOf<3>{});
  check(CheapestOf<5>{});
}

TEST_CASE("lowest cost: two choices among equal candidates are even, and no candidate is drawn twice") {
  std::vector<int> count(8, 0);
  for (const std::size_t chosen : choices(CheapestOf<2>{}, std::vector<double>(8, 1.0), 80'000)) ++count.at(chosen);
  for (const int times : count) CHECK(std::abs(times - 10'000) < 470);  // 5 sigma of binomial(80000, 1/8)
  // Two distinct choices among two candidates compare both, so the dearer one never wins.
  CHECK(choices(CheapestOf<2>{}, std::vector<double>{1, 2}, 1000) == Indices(1000, 0));
}

TEST_CASE("lowest cost: the same seed gives the same choices, another seed gives others") {
  const std::vector<double> candidates(100, 1.0);
  CHECK(choices(CheapestOf<2>{}, candidates, 20, 1) == choices(CheapestOf<2>{}, candidates, 20, 1));
  CHECK(choices(CheapestOf<2>{}, candidates, 20, 1) != choices(CheapestOf<2>{}, candidates, 20, 2));
}

TEST_CASE("lowest cost: a cost that is not a number never wins against a number") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> candidates{nan, infinity, nan, nan};
  CHECK(choices(CheapestOf<pdroute::all_candidates>{}, candidates, 3) == Indices{1, 1, 1});
  CHECK(choices(CheapestOf<4>{}, candidates, 3) == Indices{1, 1, 1});
  CHECK(choices(LowestCostPolicy<Price, pdroute::all_candidates, TieRule::random>{}, candidates, 3) ==
        Indices{1, 1, 1});
  // No cost is a number, so all candidates are equal.
  CHECK(choices(CheapestOf<pdroute::all_candidates>{}, std::vector<double>{nan, nan}, 1).size() == 1);
}

namespace {

struct Node {
  std::uint32_t requests;
  std::uint64_t queued;
  [[nodiscard]] std::uint32_t in_flight() const { return requests; }
  [[nodiscard]] std::uint64_t tokens() const { return queued; }
  [[nodiscard]] std::uint64_t kv_tokens() const { return 100 - queued; }
};

/// The tokens that would be queued after the request.
struct AfterThis {
  auto operator()(const Node& node, const pdroute::Request& request) const {
    return node.queued + request.prompt_tokens;
  }
};

/// Reads the time once per choice.
struct Seconds {
  auto prepare(const auto& /*compared*/, const auto& /*request*/, auto& context) const {
    const auto now = context.now().time_since_epoch();
    return [now](const Node& node) { return node.queued * static_cast<std::uint64_t>(now.count() > 0); };
  }
};

struct CountingClock {
  int* reads;
  [[nodiscard]] std::chrono::steady_clock::time_point now() const {
    ++*reads;
    return std::chrono::steady_clock::time_point{std::chrono::seconds{1}};
  }
};

}  // namespace

TEST_CASE("lowest cost: the shipped costs compare requests, tokens and KV tokens") {
  const std::vector<Node> nodes{{5, 50}, {3, 70}, {4, 10}};
  CHECK(choices(pdroute::LeastRequestPolicy{}, nodes, 1) == Indices{1});
  CHECK(choices(pdroute::LeastTokensPolicy{}, nodes, 1) == Indices{2});
  CHECK(choices(pdroute::LeastKvPolicy{}, nodes, 1) == Indices{1});
  CHECK(choices(pdroute::LowestCostPolicy<pdroute::QueuedTokens, 3>{}, nodes, 1) == Indices{2});
}

TEST_CASE("lowest cost: a cost may be a lambda, a function of candidate and request, or prepared once per choice") {
  const std::vector<Node> nodes{{5, 50}, {3, 70}, {4, 10}};
  const auto by_lambda = [](const Node& node) { return -static_cast<int>(node.requests); };
  CHECK(choices(LowestCostPolicy<decltype(by_lambda)>{by_lambda}, nodes, 1) == Indices{0});
  CHECK(choices(LowestCostPolicy<AfterThis>{}, nodes, 1) == Indices{2});

  int reads = 0;
  const LowestCostPolicy<Seconds> timed;
  pdroute::LocalContext context{timed, CountingClock{&reads}};
  CHECK(timed.select(nodes, pdroute::Request{}, context) == 2U);
  CHECK(reads == 1);
}

TEST_CASE("lowest cost: a policy without parameters is an empty type") {
  CHECK(std::is_empty_v<pdroute::LeastRequestPolicy>);
  CHECK(std::is_empty_v<pdroute::PowerOfTwoChoicesPolicy<>>);
}
