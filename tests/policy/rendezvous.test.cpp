// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/rendezvous.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/key.hpp>
#include <pdroute/load/loads.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/policy/weighted_round_robin.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <string>
#include <type_traits>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Key;
using pdroute::RendezvousPolicy;
using pdroute::Request;
using pdroute::RoundRobinPolicy;

/// An element of the caller's own list.
struct Node {
  std::string id;
  std::uint32_t share = 1;
  std::uint32_t requests = 0;
  [[nodiscard]] std::uint64_t id_hash() const { return static_cast<std::uint64_t>(pdroute::key(id)); }
  [[nodiscard]] std::uint32_t weight() const { return share; }
  [[nodiscard]] std::uint32_t in_flight() const { return requests; }
};
using Nodes = std::vector<Node>;

static_assert(pdroute::check_policy<RendezvousPolicy<>, Nodes>());
static_assert(std::is_empty_v<pdroute::detail::StateOf<RendezvousPolicy<>>>);  // no state
static_assert(std::is_same_v<RendezvousPolicy<>::Load, pdroute::Identity>);
static_assert(std::is_same_v<RendezvousPolicy<pdroute::LeastTokensPolicy>::Load,
                             pdroute::Loads<pdroute::Identity, pdroute::Tokens>>);
static_assert(std::is_same_v<RendezvousPolicy<pdroute::WeightedRoundRobinPolicy>::Load, pdroute::Identity>);

Nodes nodes(const std::vector<std::uint32_t>& weights) {
  Nodes list;
  for (const std::uint32_t weight : weights) list.push_back({"p" + std::to_string(list.size()), weight});
  return list;
}

template <class Policy>
std::optional<std::size_t> choose(const Policy& policy, const Nodes& list, const Request& request) {
  pdroute::LocalContext context{policy};
  return policy.select(list, request, context);
}

/// The id chosen for a key.
std::string home(const Nodes& list, Key key, const RendezvousPolicy<>& policy = {}) {
  return list.at(choose(policy, list, {.key = key}).value()).id;
}

/// The last digits of the homes of session-0, session-1, ...
std::string homes(const Nodes& list, int count, const RendezvousPolicy<>& policy = {}) {
  std::string digits;
  for (int i = 0; i < count; ++i) digits += home(list, pdroute::key("session-" + std::to_string(i)), policy).back();
  return digits;
}

Key numbered(std::uint64_t i) {
  return pdroute::key(i);
}

std::string refused(double bound) {
  const auto error = RendezvousPolicy<>{.bound = bound}.check();
  return error ? error->text() : "";
}

}  // namespace

TEST_CASE("rendezvous: no candidate with a weight gives none, a single one is always chosen") {
  CHECK_FALSE(choose(RendezvousPolicy<>{}, {}, {.key = numbered(1)}));
  CHECK(choose(RendezvousPolicy<>{}, nodes({1}), {.key = numbered(1)}) == 0U);
  CHECK_FALSE(choose(RendezvousPolicy<>{}, nodes({0, 0}), {.key = numbered(1)}));
  for (std::uint64_t i = 0; i < 100; ++i) {
    REQUIRE(choose(RendezvousPolicy<>{}, nodes({0, 1, 0}), {.key = numbered(i)}) == 1U);
  }
}

TEST_CASE("rendezvous: homes are the same on every platform, so that all gateways agree") {
  // Computed by another program with exact fractions.
  CHECK(homes(nodes({1, 1, 1, 1, 1, 1, 1, 1}), 32) == "31040545652024522307672241023016");
  CHECK(homes(nodes({1, 2, 5}), 32) == "21010022222020122101112221022012");
  CHECK(homes(nodes({1, 1, 1, 1, 1, 1, 1, 1}), 32, {.seed = 42}) == "34134770201124462033722066217112");
}

TEST_CASE("rendezvous: the order of the list and a common factor of the weights change no home") {
  Nodes list = nodes({1, 2, 5, 3});
  const std::string before = homes(list, 200);
  std::reverse(list.begin(), list.end());
  CHECK(homes(list, 200) == before);
  CHECK(homes(nodes({2000, 4000, 10'000, 6000}), 200) == before);
}

TEST_CASE("rendezvous: keys are shared out in proportion to the weights") {
  constexpr int times = 100'000;
  const auto weights = GENERATE(
      values<std::vector<std::uint32_t>>({{1, 1, 1, 1, 1, 1, 1, 1}, {1, 2, 5}, {1, 10'000}, {7, 7, 7, 3, 200, 45}}));
  const std::uint64_t seed = GENERATE(0U, 1U);
  const Nodes list = nodes(weights);
  double sum = 0;
  for (const std::uint32_t weight : weights) sum += weight;
  std::vector<int> count(weights.size(), 0);
  for (std::uint64_t i = 0; i < times; ++i)
    ++count.at(choose(RendezvousPolicy<>{.seed = seed}, list, {.key = Key{i}}).value());  // unmixed keys
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double share = weights[i] / sum;
    INFO("weight " << weights[i] << " of " << sum << " got " << count[i]);
    // Five standard deviations, and the logarithm's error of a thousandth of a share.
    CHECK(std::abs(count[i] - times * share) <= 5 * std::sqrt(times * share * (1 - share)) + times * share / 1000);
  }
}

TEST_CASE("rendezvous: an endpoint leaves, only its keys move, and exactly those return with it") {
  const Nodes all = nodes({1, 2, 5, 2, 1});
  for (std::size_t gone = 0; gone < all.size(); ++gone) {
    Nodes rest = all;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(gone));
    std::vector<int> taken_over(all.size(), 0);
    for (std::uint64_t i = 0; i < 5000; ++i) {
      const std::string before = home(all, numbered(i));
      const std::string without = home(rest, numbered(i));
      if (before == all[gone].id) {
        ++taken_over.at(static_cast<std::size_t>(without.back() - '0'));
      } else {
        REQUIRE(without == before);
      }
    }
    for (std::size_t i = 0; i < all.size(); ++i) CHECK((taken_over[i] > 0) == (i != gone));  // shared out among all
  }
}

TEST_CASE("rendezvous: a weight rises, keys move to that endpoint and none between the others") {
  const Nodes before = nodes({4, 4, 4});
  const Nodes after = nodes({4, 4, 6});
  int moved = 0;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    const std::string old_home = home(before, numbered(i));
    const std::string new_home = home(after, numbered(i));
    if (old_home == new_home) continue;
    REQUIRE(new_home == "p2");
    ++moved;
  }
  // From 1/3 to 3/7 of the keys: 2/21 move. Five standard deviations.
  CHECK(std::abs(moved - 5000 * 2 / 21.0) <= 5 * std::sqrt(5000 * 2 / 21.0));
}

TEST_CASE("rendezvous: the same seed gives the same choices, another seed gives others") {
  const Nodes list = nodes({1, 1, 1, 1});
  CHECK(homes(list, 100, {.seed = 1}) == homes(list, 100, {.seed = 1}));
  CHECK(homes(list, 100, {.seed = 1}) != homes(list, 100, {.seed = 2}));
}

TEST_CASE("rendezvous: 1000 requests with one hot key keep each of 8 endpoints within the bound") {
  const auto bound = GENERATE(1.0, 1.25, 2.0);
  Nodes list = nodes({1, 1, 1, 1, 1, 1, 1, 1});
  const Request hot{.key = pdroute::key("hot")};
  for (std::uint32_t total = 1; total <= 1000; ++total) {
    ++list.at(choose(RendezvousPolicy<>{.bound = bound}, list, hot).value()).requests;
    const double share = total / 8.0;
    for (const Node& node : list) REQUIRE(node.requests <= std::ceil(bound * share));
  }
  // The key uses as many endpoints as it needs, each up to the bound except the last.
  const auto busy = std::count_if(list.begin(), list.end(), [](const Node& node) { return node.requests > 1; });
  CHECK(busy == static_cast<std::ptrdiff_t>(std::ceil(8 / bound)));
}

TEST_CASE("rendezvous: a bound with decimals is kept to the last request, also where bound times share is whole") {
  // In hundredths, so that the limit is computed in integers: 1.1 times 80 requests on 8 endpoints is 11, and not 12.
  const auto hundredths = GENERATE(100U, 101U, 110U, 115U, 120U, 130U, 140U, 160U, 170U, 190U, 999U);
  const RendezvousPolicy<> policy{.bound = hundredths / 100.0};
  const Request hot{.key = pdroute::key("hot")};
  for (const auto& weights : std::vector<std::vector<std::uint32_t>>{{1, 1, 1, 1, 1, 1, 1, 1}, {1, 2, 5, 2}}) {
    Nodes list = nodes(weights);
    std::uint32_t sum = 0;
    for (const std::uint32_t weight : weights) sum += weight;
    for (std::uint32_t total = 1; total <= 1000; ++total) {
      Node& chosen = list.at(choose(policy, list, hot).value());
      ++chosen.requests;
      REQUIRE(chosen.requests <= (hundredths * total * chosen.share + 100 * sum - 1) / (100 * sum));
    }
  }
}

TEST_CASE("rendezvous: the bound is in proportion to the weight") {
  Nodes list = nodes({1, 2, 5});
  for (std::uint32_t total = 1; total <= 800; ++total) {
    ++list.at(choose(RendezvousPolicy<>{}, list, {.key = numbered(total % 3)}).value()).requests;
    for (const Node& node : list) REQUIRE(node.requests <= std::ceil(1.25 * total * node.share / 8));
  }
}

TEST_CASE("rendezvous: an endpoint at its bound passes the key to the next one, and gets it back when idle") {
  Nodes list = nodes({1, 1, 1, 1});
  const Key key = pdroute::key("u42");
  const std::string first = home(list, key);
  Nodes rest = list;
  rest.erase(std::find_if(rest.begin(), rest.end(), [&](const Node& node) { return node.id == first; }));
  const std::string second = home(rest, key);
  Node& busy = *std::find_if(list.begin(), list.end(), [&](const Node& node) { return node.id == first; });
  busy.requests = 2;  // of 3 with the new one; the bound is 1.25 times a quarter of 3, rounded up: 1
  CHECK(home(list, key) == second);
  busy.requests = 0;
  CHECK(home(list, key) == first);
}

TEST_CASE("rendezvous: the request being routed counts in the shares") {
  Nodes list = nodes({1, 1, 1, 1});
  const Key key = pdroute::key("u42");
  const std::string first = home(list, key);
  std::uint32_t others = 0;  // these get 0, 1 and 2 in flight
  for (Node& node : list) node.requests = node.id == first ? 1 : others++;
  CHECK(home(list, key, {.bound = 1}) == first);  // of 5 requests it may have 2, of 4 only 1
}

TEST_CASE("rendezvous: while counts stand still, the chosen endpoint is below the bound") {
  pdroute::SplitMix64 random{9};
  for (int round = 0; round < 2000; ++round) {
    Nodes list = nodes({1, 1, 1});
    std::uint64_t total = 1;
    std::uint64_t weights = 0;
    for (Node& node : list) {
      node.share = 1 + pdroute::below(random, 10);
      node.requests = pdroute::below(random, 30);
      total += node.requests;
      weights += node.share;
    }
    const Node& chosen = list.at(choose(RendezvousPolicy<>{.bound = 1}, list, {.key = Key{random()}}).value());
    REQUIRE(chosen.requests * weights < total * chosen.share);
  }
}

TEST_CASE("rendezvous: every endpoint passes the bound meanwhile, the key's first endpoint is chosen") {
  struct Growing : Node {
    mutable int reads = 0;
    // Busy from the second read on, as if other threads had chosen in between.
    [[nodiscard]] std::uint32_t in_flight() const { return reads++ == 0 ? 0 : 1000; }
  };
  const std::vector<Growing> list{{{"p0"}}, {{"p1"}}, {{"p2"}}};
  const RendezvousPolicy<> policy;
  pdroute::LocalContext context{policy};
  const auto chosen = policy.select(list, Request{.key = pdroute::key("u42")}, context);
  CHECK(list.at(chosen.value()).id == home(nodes({1, 1, 1}), pdroute::key("u42")));
}

TEST_CASE("rendezvous rank: fewer bits per weight come first, and equal ranks are ordered by id hash") {
  using Rank = pdroute::detail::RendezvousRank;
  CHECK(Rank{10, 1, 5} < Rank{11, 1, 4});
  CHECK(Rank{19, 2, 5} < Rank{10, 1, 4});
  CHECK(Rank{20, 2, 4} < Rank{10, 1, 5});
  CHECK_FALSE(Rank{20, 2, 5} < Rank{10, 1, 4});
  constexpr std::uint64_t largest = std::uint64_t{64} << 40U;
  CHECK(Rank{largest - 1, 10'000, 5} < Rank{largest, 10'000, 4});  // no overflow
}

TEST_CASE("load bound: exact shares, rounded up, at any size") {
  using pdroute::detail::LoadBound;
  CHECK(LoadBound(1, 8, 8).limit(1) == 1);
  CHECK(LoadBound(1, 9, 8).limit(1) == 2);
  CHECK(LoadBound(1.25, 8, 8).limit(1) == 2);
  CHECK(LoadBound(1, 1, 70'000).limit(10'000) == 1);
  CHECK(LoadBound(1.25, 8, 8).limit(4) == 5);
  CHECK(LoadBound(1.1, 80, 8).limit(1) == 11);  // 1.1 has no exact binary form
  CHECK(LoadBound(1.25, 800, 8).limit(5) == 625);
  CHECK(LoadBound(1.25, 800, 8).limit(0) == 0);
  CHECK(LoadBound(1, 70'001, 70'000).limit(1) == 2);  // just above one
  CHECK(LoadBound(1'000'000, 1 << 28, 4'000'000'000).limit(10'000) == 671'088'640);
  CHECK(LoadBound(1'000'000, 1 << 28, 10'000).limit(10'000) == std::uint64_t{1'000'000} << 28U);
}

TEST_CASE("rendezvous: a request without a key, the fallback chooses with its own state") {
  const Nodes list = nodes({1, 1, 1});
  const RendezvousPolicy<RoundRobinPolicy<pdroute::Rotation::per_dispatcher>> policy;
  pdroute::LocalContext context{policy};
  std::vector<std::size_t> chosen;
  for (int i = 0; i < 4; ++i) {
    static_cast<void>(policy.select(list, Request{.key = numbered(7)}, context));  // does not move the rotation
    chosen.push_back(policy.select(list, Request{}, context).value());
  }
  CHECK(chosen == std::vector<std::size_t>{0, 1, 2, 0});
  // The position of the fallback can be restored.
  auto& state = context.state();
  const auto cursor = pdroute::detail::cursor_of(state);
  CHECK(policy.select(list, Request{}, context) == 1U);
  pdroute::detail::go_back(state, cursor);
  CHECK(policy.select(list, Request{}, context) == 1U);
}

TEST_CASE("rendezvous: a request without a key goes by default to the less busy of two") {
  Nodes list = nodes({1, 1});
  list[0].requests = 1;
  CHECK(choose(RendezvousPolicy<>{}, list, {}) == 1U);
}

TEST_CASE("rendezvous: the key of the caller's own request type is used") {
  struct Session {
    Key key;
  };
  const RendezvousPolicy<> policy;
  pdroute::LocalContext context{policy};
  const Nodes list = nodes({1, 1, 1, 1, 1});
  const auto chosen = policy.select(list, Session{pdroute::key("u42")}, context);
  CHECK(list.at(chosen.value()).id == home(list, pdroute::key("u42")));
}

TEST_CASE("rendezvous: a bound out of range is refused, and the error names the value") {
  CHECK(refused(0.99) == "a bound on load must be a number from 1 to 1,000,000: 0.99");
  CHECK(refused(1'000'001) == "a bound on load must be a number from 1 to 1,000,000: 1000001");
  CHECK(refused(std::numeric_limits<double>::infinity()) ==
        "a bound on load must be a number from 1 to 1,000,000: inf");
  CHECK(refused(-1) == "a bound on load must be a number from 1 to 1,000,000: -1");
  CHECK_FALSE(refused(std::numeric_limits<double>::quiet_NaN()).empty());
  CHECK(refused(1).empty());
  CHECK(refused(1'000'000).empty());
}

TEST_CASE("rendezvous: an error in the fallback is reported") {
  const RendezvousPolicy<RendezvousPolicy<>> nested{.fallback = {.bound = 0.5}};
  const auto error = nested.check();
  REQUIRE(error);
  CHECK(error->rule == pdroute::ConfigError::Rule::load_bound_in_range);
}
