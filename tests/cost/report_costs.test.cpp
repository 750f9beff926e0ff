// SPDX-License-Identifier: Apache-2.0
// Costs from the engines' own reports, over the caller's own list.
#include <pdroute/cost/report_costs.hpp>
//
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/cost/combinations.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/policy/lowest_cost.hpp>
#include <pdroute/request.hpp>
#include <vector>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::EngineReport;
using pdroute::EngineReports;
using pdroute::LowestCostPolicy;

namespace {

struct Node : EngineReports {
  Node(std::uint32_t own, std::uint64_t own_kv) : EngineReports(EngineReports::Options{}), busy(own), kv(own_kv) {}

  [[nodiscard]] std::uint32_t in_flight() const { return busy; }
  [[nodiscard]] std::uint64_t kv_tokens() const { return kv; }

  std::uint32_t busy;
  std::uint64_t kv;
};

class Nodes {
 public:
  /// Adds a node. `then` and `kv_then` are the own requests and KV tokens at the time of the report, `now` and `kv_now`
  /// those at present. The report may be missing.
  Nodes& with(std::optional<EngineReport> report, std::uint32_t then, std::uint32_t now, std::uint64_t kv_then = 0,
              std::uint64_t kv_now = 0) {
    nodes_.push_back(std::make_unique<Node>(now, kv_now));
    const pdroute::ManualClock::time_point beginning{};
    if (report) nodes_.back()->report(*report, beginning, beginning, {then, kv_then});
    return *this;
  }
  /// A request of 8 KV tokens begins at node `i`.
  void begin(std::size_t i) {
    ++nodes_[i]->busy;
    nodes_[i]->kv += 8;
  }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] const Node& operator[](std::size_t i) const { return *nodes_[i]; }

 private:
  std::vector<std::unique_ptr<Node>> nodes_;
};

using Requests = LowestCostPolicy<pdroute::ReportedRequests>;
using Queue = LowestCostPolicy<pdroute::ReportedQueue>;
using KvUsage = LowestCostPolicy<pdroute::ReportedKvUsage>;

static_assert(pdroute::check_policy<Requests, Nodes>());
static_assert(pdroute::check_policy<Queue, Nodes>());
static_assert(pdroute::check_policy<KvUsage, Nodes>());

template <class Policy>
std::optional<std::size_t> choice(const Nodes& nodes, std::chrono::nanoseconds age = 1s) {
  const Policy policy;
  pdroute::ManualClock clock;
  clock.advance(age);
  pdroute::LocalContext context{policy, clock};
  return policy.select(nodes, pdroute::Request{}, context);
}

EngineReport busy(std::uint32_t running, std::uint32_t waiting) {
  return {.running = running, .waiting = waiting};
}
EngineReport full(double usage, std::uint64_t tokens) {
  return {.kv_cache = EngineReport::KvCache{.usage = usage, .tokens = tokens}};
}

}  // namespace

TEST_CASE("report costs: no candidate gives none, a single one without a report is chosen") {
  CHECK_FALSE(choice<Requests>(Nodes{}));
  CHECK(choice<Requests>(Nodes{}.with(std::nullopt, 0, 3)) == 0U);
  CHECK(choice<KvUsage>(Nodes{}.with(std::nullopt, 0, 3)) == 0U);
}

TEST_CASE("report costs: requests of other gateways, which only the engine knows, count") {
  CHECK(choice<Requests>(Nodes{}.with(busy(8, 1), 0, 0).with(busy(4, 2), 0, 0)) == 1U);
}

TEST_CASE("report costs: own requests begun since the report are added, ended ones are subtracted") {
  CHECK(choice<Requests>(Nodes{}.with(busy(5, 0), 0, 0).with(busy(4, 0), 0, 2)) == 0U);
  CHECK(choice<Requests>(Nodes{}.with(busy(5, 0), 5, 3).with(busy(4, 0), 4, 4)) == 0U);
}

TEST_CASE("report costs: an engine without a report counts as typical, plus its own requests") {
  CHECK(choice<Requests>(Nodes{}.with(busy(10, 0), 0, 0).with(std::nullopt, 0, 0).with(busy(20, 0), 0, 0)) == 0U);
  CHECK(choice<Requests>(Nodes{}.with(busy(16, 0), 0, 0).with(std::nullopt, 0, 0).with(busy(20, 0), 0, 0)) == 0U);
  CHECK(choice<Requests>(Nodes{}.with(busy(18, 0), 0, 1).with(std::nullopt, 0, 0).with(busy(18, 0), 0, 1)) == 1U);
  CHECK(choice<Requests>(Nodes{}.with(busy(18, 0), 0, 1).with(std::nullopt, 0, 2).with(busy(18, 0), 0, 1)) != 1U);
}

TEST_CASE("report costs: no engine reports, so own requests decide") {
  CHECK(choice<Requests>(Nodes{}.with(std::nullopt, 0, 4).with(std::nullopt, 0, 3)) == 1U);
  CHECK(choice<Queue>(Nodes{}.with(std::nullopt, 0, 4).with(std::nullopt, 0, 3)) == 1U);
  CHECK(choice<KvUsage>(Nodes{}.with(std::nullopt, 0, 0, 0, 400).with(std::nullopt, 0, 0, 0, 300)) == 1U);
}

TEST_CASE("report costs: stale reports do not count") {
  const auto nodes = [] { return std::move(Nodes{}.with(busy(1, 0), 0, 2).with(busy(9, 0), 0, 1)); };
  CHECK(choice<Requests>(nodes(), 60s) == 0U);
  CHECK(choice<Requests>(nodes(), 61s) == 1U);
}

TEST_CASE("report costs: the queue counts waiting requests, not running ones") {
  CHECK(choice<Queue>(Nodes{}.with(busy(90, 1), 90, 90).with(busy(1, 2), 0, 0)) == 0U);
  CHECK(choice<Queue>(Nodes{}.with(busy(90, 1), 90, 92).with(busy(1, 2), 0, 0)) == 1U);
}

TEST_CASE("report costs: of two engines whose requests have all ended, none has a credit for what ran there") {
  const auto idle = [](const EngineReport& first, std::uint64_t kv_first, const EngineReport& second,
                       std::uint64_t kv_second) {
    return std::move(Nodes{}.with(first, 50, 0, kv_first, 0).with(second, 10, 0, kv_second, 0));
  };
  const auto counts = [](Nodes nodes, const auto& policy) {
    pdroute::ManualClock clock;
    pdroute::LocalContext context{policy, clock};
    std::vector<std::uint32_t> given(2);
    for (int i = 0; i < 60; ++i) {
      const std::size_t chosen = policy.select(nodes, pdroute::Request{}, context).value();
      ++given[chosen];
      nodes.begin(chosen);
    }
    return given;
  };
  const std::vector<std::uint32_t> even{30, 30};
  CHECK(counts(idle(busy(50, 0), 0, busy(10, 0), 0), Requests{}) == even);
  CHECK(counts(idle(busy(50, 0), 0, busy(10, 0), 0), Queue{}) == even);
  CHECK(counts(idle(full(0.125, 1024), 512, full(0.125, 1024), 256), KvUsage{}) == even);
}

TEST_CASE("report costs: of running and waiting, the one that an engine does not give counts as typical") {
  const EngineReport only_running{.running = 10};
  const EngineReport only_waiting{.waiting = 10};
  // 10 + 20 against 12 + 20: the queue of the first one is taken for that of the second.
  CHECK(choice<Requests>(Nodes{}.with(only_running, 0, 0).with(busy(12, 20), 0, 0)) == 0U);
  CHECK(choice<Requests>(Nodes{}.with(only_running, 0, 0).with(busy(8, 20), 0, 0)) == 1U);
  CHECK(choice<Requests>(Nodes{}.with(only_waiting, 0, 0).with(busy(30, 8), 0, 0)) == 1U);
  // It is zero where none gives it.
  CHECK(choice<Requests>(Nodes{}.with(only_running, 0, 0).with(EngineReport{.running = 9}, 0, 0)) == 1U);
}

TEST_CASE("report costs: KV usage grows by what was reserved since the report, as a share of the cache") {
  CHECK(choice<KvUsage>(Nodes{}.with(full(0.5, 1000), 0, 0).with(full(0.4, 1000), 0, 0)) == 1U);
  CHECK(choice<KvUsage>(Nodes{}.with(full(0.5, 1000), 0, 0).with(full(0.4, 1000), 0, 0, 100, 250)) == 0U);
  CHECK(choice<KvUsage>(Nodes{}.with(full(0.5, 1000), 0, 0).with(full(0.4, 100'000), 0, 0, 100, 250)) == 1U);
}

TEST_CASE("report costs: in a weighted sum the weights decide between two reported costs") {
  using Both = LowestCostPolicy<pdroute::WeightedSum<pdroute::ReportedRequests, pdroute::ReportedKvUsage>>;
  static_assert(std::is_base_of_v<EngineReports, Both::Load> && std::is_base_of_v<pdroute::KvTokens, Both::Load>);
  const EngineReport first{.running = 10, .waiting = 0, .kv_cache = EngineReport::KvCache{0.1, 1000}};
  const EngineReport second{.running = 1, .waiting = 0, .kv_cache = EngineReport::KvCache{0.9, 1000}};
  const auto nodes = [&] { return std::move(Nodes{}.with(first, 0, 0).with(second, 0, 0)); };
  pdroute::ManualClock clock;
  for (const auto& [weight, expected] : {std::pair{1.0, 1U}, std::pair{100.0, 0U}}) {
    const Both policy{{{}, {1, weight}}};
    pdroute::LocalContext context{policy, clock};
    CHECK(policy.select(nodes(), pdroute::Request{}, context) == expected);
  }
}
