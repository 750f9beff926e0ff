// SPDX-License-Identifier: Apache-2.0
// Latency costs, over the caller's own list.
#include <pdroute/policy/peak_ewma.hpp>
//
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/request.hpp>
#include <vector>

#include "catch2_compat.hpp"

using namespace std::chrono_literals;
using pdroute::Estimate;
using pdroute::PeakEwmaPolicy;

namespace {

struct Node {
  Estimate estimate;
  std::uint32_t busy = 0;

  [[nodiscard]] Estimate latency(auto /*now*/) const { return estimate; }
  [[nodiscard]] Estimate peak_latency(auto /*now*/) const { return estimate; }
  [[nodiscard]] Estimate time_to_first_token(auto /*now*/) const { return estimate; }
  [[nodiscard]] std::uint32_t in_flight() const { return busy; }
};
using Nodes = std::vector<Node>;

static_assert(pdroute::check_policy<PeakEwmaPolicy, Nodes>());
static_assert(pdroute::check_policy<pdroute::LowestCostPolicy<pdroute::MeanLatency>, Nodes>());
static_assert(pdroute::check_policy<pdroute::LowestCostPolicy<pdroute::MeanTimeToFirstToken>, Nodes>());

template <class Policy>
std::map<std::size_t, int> choices(const Nodes& nodes, int count = 1000) {
  const Policy policy;
  pdroute::LocalContext context{policy, pdroute::ManualClock{}, 42};
  std::map<std::size_t, int> chosen;
  for (int i = 0; i < count; ++i) ++chosen[policy.select(nodes, pdroute::Request{}, context).value()];
  return chosen;
}

}  // namespace

TEST_CASE("peak EWMA: no candidate gives none, a single one is chosen") {
  const PeakEwmaPolicy policy;
  pdroute::LocalContext context{policy, pdroute::ManualClock{}};
  CHECK_FALSE(policy.select(Nodes{}, pdroute::Request{}, context));
  CHECK(policy.select(Nodes(1), pdroute::Request{}, context) == 0U);
}

TEST_CASE("peak EWMA: the cost is latency times outstanding requests, this one included") {
  using Choices = std::map<std::size_t, int>;
  CHECK(choices<PeakEwmaPolicy>({{{2, 1}, 0}, {{1, 1}, 0}}) == Choices{{1, 1000}});
  CHECK(choices<PeakEwmaPolicy>({{{2, 1}, 1}, {{1, 1}, 4}}) == Choices{{0, 1000}});  // 2 x 2 < 1 x 5
  CHECK(choices<PeakEwmaPolicy>({{{2, 1}, 1}, {{1, 1}, 2}}) == Choices{{1, 1000}});  // 2 x 2 > 1 x 3
}

TEST_CASE("peak EWMA: an unknown latency counts as the other candidate's, so requests decide") {
  using Choices = std::map<std::size_t, int>;
  CHECK(choices<PeakEwmaPolicy>({{{100, 1}, 3}, {{0, 0}, 2}}) == Choices{{1, 1000}});
  CHECK(choices<PeakEwmaPolicy>({{{100, 1}, 2}, {{0, 0}, 3}}) == Choices{{0, 1000}});
  CHECK(choices<PeakEwmaPolicy>({{{0, 0}, 2}, {{0, 0}, 3}}) == Choices{{0, 1000}});
}

TEST_CASE("peak EWMA: an old measurement counts for little") {
  using Choices = std::map<std::size_t, int>;
  CHECK(choices<PeakEwmaPolicy>({{{9, 1}, 0}, {{1, 1}, 1}}) == Choices{{1, 1000}});
  CHECK(choices<PeakEwmaPolicy>({{{9, 0.01}, 0}, {{1, 1}, 1}}) == Choices{{0, 1000}});
}

TEST_CASE("peak EWMA: equal endpoints share evenly") {
  // 100,000 choices among 8: 12,500 each, standard deviation 105.
  for (const auto& [node, count] : choices<PeakEwmaPolicy>(Nodes(8, {{1, 1}, 3}), 100'000)) {
    CHECK(count == Approx(12'500).margin(4 * 105));
  }
}

TEST_CASE("peak EWMA: idle endpoints of nearly equal latency share evenly, a clearly slower one gets nothing") {
  // 10,000 choices: 5,000 each, standard deviation 50.
  CHECK(choices<PeakEwmaPolicy>({{{1, 1}, 0}, {{1.05, 1}, 0}}, 10'000)[1] == Approx(5'000).margin(4 * 50));
  CHECK(choices<PeakEwmaPolicy>({{{1, 1}, 3}, {{1.05, 1}, 2}}, 10'000)[1] == 10'000);  // fewer requests decide
  CHECK(choices<PeakEwmaPolicy>({{{1, 1}, 0}, {{1.2, 1}, 0}}, 10'000)[1] == 0);
}

TEST_CASE("latency costs: nearly equal endpoints all get requests, also where latency is the only cost") {
  using MeanOfTwo = pdroute::LowestCostPolicy<pdroute::MeanLatency, 2>;
  using FirstTokenOfTwo = pdroute::LowestCostPolicy<pdroute::MeanTimeToFirstToken, 2>;
  using Fastest = pdroute::LowestCostPolicy<pdroute::MeanLatency>;
  const Nodes nodes{{{1, 1}}, {{1.03, 0.5}}, {{1.02, 0.1}}, {{0, 0}}};
  // 10,000 choices: 2,500 each, standard deviation 43.
  for (const auto& [node, count] : choices<MeanOfTwo>(nodes, 10'000)) CHECK(count == Approx(2'500).margin(4 * 43));
  for (const auto& [node, count] : choices<FirstTokenOfTwo>(nodes, 10'000))
    CHECK(count == Approx(2'500).margin(4 * 43));
  for (const auto& [node, count] : choices<Fastest>(nodes, 10'000)) CHECK(count == 2'500);  // ties rotate
}

TEST_CASE("mean latency: the fastest of all is chosen, and an unknown latency counts as typical") {
  using Choices = std::map<std::size_t, int>;
  using Fastest = pdroute::LowestCostPolicy<pdroute::MeanLatency>;
  CHECK(choices<Fastest>({{{3, 1}}, {{1, 1}}, {{2, 1}}}) == Choices{{1, 1000}});
  CHECK(choices<Fastest>({{{3, 1}}, {{0, 0}}, {{2, 1}}}) == Choices{{2, 1000}});
  using Soonest = pdroute::LowestCostPolicy<pdroute::MeanTimeToFirstToken>;
  CHECK(choices<Soonest>({{{3, 1}}, {{1, 1}}, {{2, 1}}}) == Choices{{1, 1000}});
}

TEST_CASE("latency costs: a decay out of range is refused, and the error names it") {
  const auto error = pdroute::detail::check_configuration(PeakEwmaPolicy{{.ewma = {.decay = 0s}}});
  REQUIRE(error);
  CHECK(error->text() == "a decay must be longer than zero and at most a hundred years long: 0 ns");
}
