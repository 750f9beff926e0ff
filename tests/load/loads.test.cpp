// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/loads.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <pdroute/load/no_load.hpp>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/load/token_count.hpp>
#include <pdroute/manual_clock.hpp>
#include <string>
#include <tuple>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::Capacity;
using pdroute::Demand;
using pdroute::KvTokens;
using pdroute::Loads;
using pdroute::NoLoad;
using pdroute::RequestRate;
using pdroute::Tokens;

using Both = Loads<Tokens, KvTokens>;
using TimePoint = pdroute::ManualClock::time_point;

std::string calls;  // the calls to the metrics below, in order

/// Records each call, and refuses demands above its limit.
template <char name>
struct Noted {
  struct Options {
    std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();
  };
  using Held = std::uint64_t;

  explicit Noted(Options options) : limit(options.limit) {}
  [[nodiscard]] bool has_room(const Demand& demand) const noexcept { return demand.tokens <= limit; }
  [[nodiscard]] bool try_hold(const Demand& demand, Held& held) noexcept {
    calls += {'+', name};
    if (demand.tokens > limit) return false;
    held = demand.tokens;
    return true;
  }
  void grow(Held& held, std::uint64_t tokens) noexcept {
    calls += {'^', name};
    held += tokens;
  }
  void let_go(Held& held) noexcept {
    calls += {'-', name};
    held = 0;
  }
  void set_capacity(const Capacity& /*capacity*/) noexcept { calls += {'=', name}; }

  std::uint64_t limit;
};
using Three = Loads<Noted<'a'>, Noted<'b'>, Noted<'c'>>;

}  // namespace

TEST_CASE("loads: one demand is counted by every metric, and each is read under its own name") {
  Both loads{{}};
  Both::Held held;
  REQUIRE(loads.try_hold({.tokens = 3, .kv_tokens = 40}, held));
  CHECK(loads.tokens() == 3);
  CHECK(loads.kv_tokens() == 40);
  loads.grow(held, 5);
  CHECK(loads.tokens() == 8);
  CHECK(loads.kv_tokens() == 45);
  loads.let_go(held);
  CHECK(loads.tokens() == 0);
  CHECK(loads.kv_tokens() == 0);
}

TEST_CASE("loads: one metric refuses, so none of them holds the demand") {
  Both loads{{}};
  loads.set_capacity({.tokens = 100, .kv_tokens = 1000});
  Both::Held first;
  REQUIRE(loads.try_hold({.tokens = 60, .kv_tokens = 600}, first));
  const auto refused = GENERATE(Demand{.tokens = 41, .kv_tokens = 1},   // by the first metric
                                Demand{.tokens = 1, .kv_tokens = 401},  // by the second
                                Demand{.tokens = 41, .kv_tokens = 401});
  Both::Held second;
  CHECK_FALSE(loads.has_room(refused));
  CHECK_FALSE(loads.try_hold(refused, second));
  CHECK(loads.tokens() == 60);
  CHECK(loads.kv_tokens() == 600);
  CHECK(std::get<0>(second).amount == 0);
  CHECK(std::get<1>(second).amount == 0);
  const Demand rest{.tokens = 40, .kv_tokens = 400};
  CHECK(loads.has_room(rest));
  CHECK(loads.try_hold(rest, second));
}

TEST_CASE("loads: metrics are asked in list order, and after a refusal the rest are not asked") {
  Three loads{{{}, {.limit = 10}, {}}};
  Three::Held held{};
  calls.clear();
  CHECK(loads.try_hold({.tokens = 10}, held));
  CHECK(calls == "+a+b+c");
  CHECK(held == Three::Held{10, 10, 10});

  loads.let_go(held);
  calls.clear();
  CHECK_FALSE(loads.try_hold({.tokens = 11}, held));
  CHECK(calls == "+a+b-a");
  CHECK(held == Three::Held{0, 0, 0});
}

TEST_CASE("loads: growth, capacity and release reach every metric") {
  Three loads{{}};
  Three::Held held{};
  REQUIRE(loads.try_hold({.tokens = 1}, held));
  calls.clear();
  loads.grow(held, 2);
  CHECK(held == Three::Held{3, 3, 3});
  loads.set_capacity({});
  loads.let_go(held);
  CHECK(calls == "^a^b^c=a=b=c-a-b-c");
}

TEST_CASE("loads: metrics that hold demand and metrics that count choices work side by side") {
  using Mixed = Loads<NoLoad, RequestRate, KvTokens>;
  static_assert(pdroute::CountsChoices<Mixed> && pdroute::HoldsDemand<Mixed>);
  Mixed loads{{{}, {60s}, {}}};
  loads.set_capacity({.kv_tokens = 10});
  const auto arrivals = [&] { return loads.arrivals(pdroute::RateWindow{60s}.bucket(TimePoint{5s})); };

  Mixed::Held held;
  REQUIRE(loads.try_hold({.kv_tokens = 10}, held));
  CHECK_FALSE(loads.has_room({.kv_tokens = 1}));
  loads.record(TimePoint{5s});
  const Mixed::Receipt receipt = loads.record(TimePoint{5s});
  CHECK(arrivals() == 2);
  loads.undo(receipt);
  CHECK(arrivals() == 1);
  CHECK(loads.kv_tokens() == 10);
  loads.let_go(held);
  CHECK(loads.kv_tokens() == 0);
}

TEST_CASE("loads: each metric is made from its own options") {
  Loads<RequestRate, Tokens> loads{{{30s}, {}}};
  loads.record(TimePoint{0s});
  CHECK(loads.per_second(TimePoint{0s}) == 1.0 / 30);
}

TEST_CASE("loads: a list offers only what at least one of its metrics offers") {
  STATIC_REQUIRE(pdroute::LoadMetric<Loads<>>);
  STATIC_REQUIRE_FALSE(pdroute::HoldsDemand<Loads<>>);
  STATIC_REQUIRE_FALSE(pdroute::CountsChoices<Loads<>>);
  STATIC_REQUIRE(pdroute::HoldsDemand<Loads<Tokens>>);
  STATIC_REQUIRE_FALSE(pdroute::CountsChoices<Loads<Tokens, KvTokens>>);
  STATIC_REQUIRE(pdroute::CountsChoices<Loads<RequestRate>>);
  STATIC_REQUIRE_FALSE(pdroute::HoldsDemand<Loads<RequestRate, NoLoad>>);
}
