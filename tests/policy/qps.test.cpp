// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/qps.hpp>

#include <chrono>
#include <memory>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::QpsPolicy;
using pdroute::TieRule;

/// The caller's own registry: nodes that carry a rate. They are held by pointer because a rate cannot be moved.
struct Node : pdroute::RequestRate {
  using RequestRate::RequestRate;
};
struct Registry {
  explicit Registry(std::size_t n, pdroute::RateWindow window = 60s) {
    for (std::size_t i = 0; i < n; ++i) nodes.push_back(std::make_unique<Node>(window));
  }
  [[nodiscard]] std::size_t size() const { return nodes.size(); }
  const Node& operator[](std::size_t i) const { return *nodes[i]; }

  std::vector<std::unique_ptr<Node>> nodes;
};

template <TieRule tie>
struct Gateway {
  explicit Gateway(std::size_t n, QpsPolicy<tie> rule = {})
      : policy(rule), registry(n, rule.cost.window), context(policy, clock) {}

  std::optional<std::size_t> choose() {
    const auto index = policy.select(registry, pdroute::Request{}, context);
    if (index) registry.nodes[*index]->record(clock.now());
    return index;
  }

  QpsPolicy<tie> policy;
  pdroute::ManualClock clock;
  Registry registry;
  pdroute::LocalContext<QpsPolicy<tie>, pdroute::ManualClock> context;
};

}  // namespace

TEST_CASE("QPS: no endpoint gives none, a single one is always chosen") {
  CHECK_FALSE(Gateway<TieRule::rotating>{0}.choose());
  Gateway<TieRule::rotating> one{1};
  for (int i = 0; i < 3; ++i) CHECK(one.choose() == 0U);
}

TEST_CASE("QPS: equal rates rotate, and stay within one arrival of each other") {
  Gateway<TieRule::rotating> gateway{3};
  std::vector<std::optional<std::size_t>> chosen;
  for (int i = 0; i < 6; ++i) chosen.push_back(gateway.choose());
  CHECK(chosen == std::vector<std::optional<std::size_t>>{0, 1, 2, 0, 1, 2});
}

TEST_CASE("QPS: the lowest rate wins until it has caught up, and arrivals older than the window do not count") {
  Gateway<TieRule::first> gateway{2};
  for (int i = 0; i < 5; ++i) gateway.registry.nodes[0]->record(gateway.clock.now());
  for (int i = 0; i < 5; ++i) CHECK(gateway.choose() == 1U);
  CHECK(gateway.choose() == 0U);
  gateway.clock.advance(61s);
  CHECK(gateway.choose() == 0U);
}

TEST_CASE("QPS: an endpoint without arrivals has a rate of zero and only ties with an idle one") {
  Gateway<TieRule::rotating> gateway{2};
  gateway.registry.nodes[0]->record(gateway.clock.now());
  gateway.clock.advance(61s);  // one endpoint has a history, the other has none; both have a rate of zero
  CHECK(gateway.choose() == 0U);
  CHECK(gateway.choose() == 1U);
}

TEST_CASE("QPS: a window of zero is refused") {
  CHECK_FALSE(QpsPolicy<>{}.check());
  CHECK_FALSE(QpsPolicy<>{.cost = {.window = 1s}}.check());
  CHECK(QpsPolicy<>{.cost = {.window = 0s}}.check());
}
