// SPDX-License-Identifier: Apache-2.0 Compares three policies with the strategies that they come from: those of the
// prefill/decode router in vLLM's production stack (PR 587), written anew from their description. docs/policies/qps.md
// says where ours differ on purpose. Each difference has a test case here.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <pdroute/manual_clock.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

struct Engine {
  std::string id;
};
using Engines = std::vector<Engine>;

/// Round robin as in the original: sort by text, take the element at the counter, then count.
class OriginalRoundRobin {
 public:
  std::string choose(Engines pool) {
    std::sort(pool.begin(), pool.end(), [](const Engine& a, const Engine& b) { return a.id < b.id; });
    return pool[counter_++ % pool.size()].id;
  }

 private:
  std::size_t counter_ = 0;
};

/// Least QPS as in the original: the first endpoint without statistics, else the first with the strictly lowest rate.
class OriginalQps {
 public:
  std::string choose(const Engines& pool, nanoseconds now) {
    const std::string* best = nullptr;
    double least = 0;
    for (const Engine& engine : pool) {
      const auto found = arrivals_.find(engine.id);
      if (found == arrivals_.end()) return arrive(engine.id, now);
      while (!found->second.empty() && found->second.front() < now - 60s) found->second.pop_front();
      const double qps = static_cast<double>(found->second.size()) / 60;
      if (best == nullptr || qps < least) {
        best = &engine.id;
        least = qps;
      }
    }
    return arrive(*best, now);
  }

 private:
  std::string arrive(const std::string& id, nanoseconds now) {
    arrivals_[id].push_back(now);
    return id;
  }
  std::map<std::string, std::deque<nanoseconds>> arrivals_;
};

template <class Policy>
struct Ours {
  using Router = pdroute::DisaggregatedRouter<Policy, pdroute::RandomPolicy<>, Engine, pdroute::ManualClock>;

  Ours(const Engines& engines, Policy policy)
      : router(
            Router::create({.prefill = engines, .decode = engines, .prefill_policy = policy, .clock = clock}).value()) {
  }

  std::string choose() { return std::string(router.prefill()->id()); }

  pdroute::ManualClock clock;
  Router router;
};

const Engines sorted{{"a"}, {"b"}, {"c"}};

}  // namespace

TEST_CASE("conformance: round robin over endpoints registered in text order chooses as the original") {
  Ours ours{sorted, pdroute::RoundRobinPolicy<>{}};
  OriginalRoundRobin original;
  for (int i = 0; i < 20; ++i) CHECK(ours.choose() == original.choose(sorted));
}

TEST_CASE("difference: round robin goes by registration order, the original by text, with port 10000 before 9000") {
  const Engines ports{{"http://e:9000"}, {"http://e:10000"}};
  CHECK(Ours{ports, pdroute::RoundRobinPolicy<>{}}.choose() == "http://e:9000");
  CHECK(OriginalRoundRobin{}.choose(ports) == "http://e:10000");
}

TEST_CASE("conformance: random chooses uniformly from all endpoints, as the original") {
  Ours ours{sorted, pdroute::RandomPolicy<>{.seed = 3}};
  std::map<std::string, int> count;
  for (int i = 0; i < 30000; ++i) ++count[ours.choose()];
  CHECK(count.size() == 3);
  for (const auto& [id, times] : count) CHECK(std::abs(times - 10000) < 408);  // 5 sigma
}

TEST_CASE("conformance: QPS with ties to the first chooses as the original") {
  Ours ours{sorted, pdroute::QpsPolicy<pdroute::TieRule::first>{}};
  OriginalQps original;
  pdroute::SplitMix64 random{1};
  nanoseconds now{0};
  for (int i = 0; i < 3000; ++i) {
    // Whole seconds, which are whole buckets: the windows of both begin with the same arrivals.
    now += 1s * pdroute::below(random, 4);
    ours.clock.set(now);
    REQUIRE(ours.choose() == original.choose(sorted, now));
  }
}

TEST_CASE("difference: a new endpoint has a QPS of zero and does not beat an idle one") {
  Ours ours{sorted, pdroute::QpsPolicy<>{}};
  OriginalQps original;
  CHECK(ours.choose() == original.choose(sorted, 0s));  // a
  ours.clock.set(120s);
  CHECK(ours.choose() == "b");
  CHECK(original.choose(sorted, 120s) == "b");
  ours.clock.set(240s);
  CHECK(ours.choose() == "c");
  CHECK(original.choose(sorted, 240s) == "c");
  ours.clock.set(360s);
  // All idle: ours goes on in turn; from here on the original gives every request to the first endpoint.
  CHECK(ours.choose() == "a");
  CHECK(original.choose(sorted, 360s) == "a");
  ours.clock.set(480s);
  CHECK(ours.choose() == "b");
  CHECK(original.choose(sorted, 480s) == "a");
}

TEST_CASE("difference: nothing is kept for finished requests or removed endpoints") {
  // The original keeps about 325 bytes per finished request; ours keeps a fixed-size rate per endpoint.
  static_assert(sizeof(pdroute::RequestRate) <= 576);
  Ours ours{sorted, pdroute::QpsPolicy<>{}};
  CHECK(ours.choose() == "a");
  REQUIRE(ours.router.assign(pdroute::Role::prefill, Engines{{"b"}, {"c"}}));
  CHECK(ours.choose() == "b");  // the next one after a, which has left
  CHECK(ours.choose() == "c");
  REQUIRE(ours.router.assign(pdroute::Role::prefill, Engines{{"c"}, {"a"}}));
  CHECK(ours.choose() == "a");  // one arrival in its first life, none in this one
}
