// SPDX-License-Identifier: Apache-2.0
// Weighted round robin and rendezvous hashing, through a router: shares by weight, endpoints by key.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Health;
using pdroute::RendezvousPolicy;
using pdroute::Role;
using pdroute::WeightedRoundRobinPolicy;

struct Gpus {
  std::string id;
  std::uint32_t weight = 1;
  pdroute::Capacity capacity = {};
};
using List = std::vector<Gpus>;
using Ids = std::vector<std::string_view>;
using Count = std::map<std::string, int>;

template <class Prefill, class Decode>
using RouterOf = pdroute::DisaggregatedRouter<Prefill, Decode, Gpus, pdroute::ManualClock>;
using Weighted = RouterOf<WeightedRoundRobinPolicy, WeightedRoundRobinPolicy>;
using Keyed = RouterOf<RendezvousPolicy<>, RendezvousPolicy<>>;

List gpus(const std::string& prefix, const std::vector<std::uint32_t>& weights) {
  List list;
  for (const std::uint32_t weight : weights) list.push_back({prefix + std::to_string(list.size()), weight});
  return list;
}

template <class Router>
Router site(const std::vector<std::uint32_t>& prefill, const std::vector<std::uint32_t>& decode,
            Role first = Role::prefill) {
  return Router::create({.prefill = gpus("p", prefill), .decode = gpus("d", decode), .first = first}).value();
}

void count(Count& shares, const auto& dispatcher_route) {
  ++shares[std::string(dispatcher_route->prefill.id())];
  ++shares[std::string(dispatcher_route->decode.id())];
}

bool near(int times, int of, double share) {
  return std::abs(times - of * share) <= 5 * std::sqrt(of * share * (1 - share));  // 5 sigma
}

}  // namespace

TEST_CASE("weights: both roles give exact shares, whichever role is chosen first") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  auto router = site<Weighted>({1, 2, 5}, {30, 10}, first);
  auto dispatcher = router.dispatcher();
  for (int block = 0; block < 20; ++block) {
    Count shares;
    for (int i = 0; i < 8; ++i) count(shares, dispatcher.route());
    CHECK(shares == Count{{"p0", 1}, {"p1", 2}, {"p2", 5}, {"d0", 6}, {"d1", 2}});
  }
}

TEST_CASE("fault: two cursors in lockstep: 2P2D uses 2 of 4 pairs, also with weights") {
  const auto [prefill, decode] = GENERATE(table<std::vector<std::uint32_t>, std::vector<std::uint32_t>>(
      {{{1, 1}, {1, 1}}, {{1, 2, 5}, {1, 2, 5}}, {{1, 2, 5}, {4, 4}}, {{3, 1}, {1, 1, 1, 1, 1, 1}}}));
  auto router = site<Weighted>(prefill, decode);
  auto dispatcher = router.dispatcher();
  double sum = 0;
  for (const std::uint32_t p : prefill) {
    for (const std::uint32_t d : decode) sum += p * d;
  }
  constexpr int times = 24'000;
  std::map<std::pair<std::string, std::string>, int> pairs;
  for (int i = 0; i < times; ++i) {
    const auto route = dispatcher.route();
    ++pairs[{std::string(route->prefill.id()), std::string(route->decode.id())}];
  }
  for (std::size_t p = 0; p < prefill.size(); ++p) {
    for (std::size_t d = 0; d < decode.size(); ++d) {
      INFO("p" << p << " d" << d);
      CHECK(near(pairs[{"p" + std::to_string(p), "d" + std::to_string(d)}], times, prefill[p] * decode[d] / sum));
    }
  }
}

TEST_CASE("fault: 8P8D uses 8 of 64 pairs, also with weights") {
  auto router = site<Weighted>(std::vector<std::uint32_t>(8, 3), std::vector<std::uint32_t>(8, 5));
  auto dispatcher = router.dispatcher();
  Count pairs;
  for (int i = 0; i < 64'000; ++i) {
    const auto route = dispatcher.route();
    ++pairs[std::string(route->prefill.id()).append(route->decode.id())];
  }
  CHECK(pairs.size() == 64);
  for (const auto& [pair, times] : pairs) CHECK(near(times, 64'000, 1.0 / 64));
}

TEST_CASE("weights: dispatchers on several threads give exact shares together") {
  auto router = site<Weighted>({1, 2, 5}, {3, 1});
  constexpr int each = 8'000;
  std::vector<Count> counts(4);
  std::vector<std::thread> threads;
  for (Count& mine : counts) {
    threads.emplace_back([&mine, dispatcher = router.dispatcher()]() mutable {
      for (int i = 0; i < each; ++i) count(mine, dispatcher.route());
    });
  }
  for (std::thread& thread : threads) thread.join();
  Count all;
  for (const Count& mine : counts) {
    for (const auto& [id, times] : mine) all[id] += times;
  }
  CHECK(all == Count{{"p0", 4'000}, {"p1", 8'000}, {"p2", 20'000}, {"d0", 24'000}, {"d1", 8'000}});
}

TEST_CASE("weights: a filter or a full endpoint leaves some endpoints, they are drawn in proportion") {
  auto router = site<Weighted>({1, 2, 5, 4}, {1});
  auto dispatcher = router.dispatcher();
  const auto full = GENERATE(false, true);
  const Ids filled{"p3"};
  pdroute::DisaggregatedRouter<WeightedRoundRobinPolicy, WeightedRoundRobinPolicy, Gpus,
                               pdroute::ManualClock>::PrefillLease held;
  if (full) {
    held = dispatcher.prefill({}, {.allowed = filled}).value();
    REQUIRE_FALSE(router.set_capacity(Role::prefill, "p3", {.requests = 1}));
  }
  const Ids others{"p0", "p1", "p2"};
  Count shares;
  constexpr int times = 40'000;
  for (int i = 0; i < times; ++i) {
    const auto lease = full ? dispatcher.prefill() : dispatcher.prefill({}, {.allowed = others});
    ++shares[std::string(lease->id())];
  }
  CHECK(shares.size() == 3);
  if (full) {
    // The turns of p3 are distributed by weight, and the others keep their own.
    CHECK(near(shares["p0"], times, 1 / 8.0));
    CHECK(near(shares["p2"], times, 5 / 8.0));
  } else {
    CHECK(near(shares["p0"], times, 1 / 8.0));
    CHECK(near(shares["p1"], times, 2 / 8.0));
  }
}

TEST_CASE("weights: the endpoints change, the shares are exact from the next turn on") {
  auto router = site<Weighted>({1, 2, 5}, {1, 3});
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 5; ++i) REQUIRE(dispatcher.route());
  const auto shares = [&](int times) {
    Count counted;
    for (int i = 0; i < times; ++i) count(counted, dispatcher.route());
    return counted;
  };
  REQUIRE(router.set_health("p2", Health::unhealthy));
  CHECK(shares(12) == Count{{"p0", 4}, {"p1", 8}, {"d0", 3}, {"d1", 9}});
  REQUIRE(router.set_health("p2", Health::healthy));
  CHECK(shares(8) == Count{{"p0", 1}, {"p1", 2}, {"p2", 5}, {"d0", 2}, {"d1", 6}});
  REQUIRE(router.assign(Role::decode, List{{"d2", 1}, {"d3", 1}}));  // as many endpoints, other weights
  CHECK(shares(8) == Count{{"p0", 1}, {"p1", 2}, {"p2", 5}, {"d2", 4}, {"d3", 4}});
}

TEST_CASE("weights: a route finds no endpoint for its second leg and gives its turn back") {
  auto router = site<Weighted>({1, 2, 5}, {1});
  auto dispatcher = router.dispatcher();
  Count shares;
  for (int i = 0; i < 8; ++i) {
    CHECK_FALSE(dispatcher.route({}, {.decode = {.accept = [](const Gpus&) { return false; }}}));
    count(shares, dispatcher.route());
  }
  CHECK(shares == Count{{"p0", 1}, {"p1", 2}, {"p2", 5}, {"d0", 8}});
}

TEST_CASE("weights: an invalid weight is refused when the router is created or a list is assigned") {
  const auto wrong = Weighted::create({.prefill = gpus("p", {1}), .decode = gpus("d", {1, 10'001})});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().text() == "an endpoint's weight must be an integer from 0 to 10,000: d1: weight 10001");
  CHECK(wrong.error().endpoint == pdroute::ConfigError::Place{Role::decode, 1});
  auto router = site<Weighted>({1, 2}, {1});
  CHECK_FALSE(router.assign(Role::prefill, gpus("p", {10'001})));
  CHECK(router.endpoints(Role::prefill).size() == 2);
}

TEST_CASE("keys: a key's requests go to the same endpoints, on every dispatcher and gateway") {
  auto router = site<Keyed>({1, 2, 5}, {1, 1, 1, 1});
  auto gateway = site<Keyed>({1, 2, 5}, {1, 1, 1, 1});
  auto one = router.dispatcher();
  auto two = router.dispatcher();
  auto other = gateway.dispatcher();
  for (int i = 0; i < 200; ++i) {
    const pdroute::Request request{.key = pdroute::key("session-" + std::to_string(i))};
    const std::string prefill{one.route(request)->prefill.id()};
    const std::string decode{one.route(request)->decode.id()};
    CHECK(two.route(request)->prefill.id() == prefill);
    CHECK(other.route(request)->prefill.id() == prefill);
    CHECK(other.route(request)->decode.id() == decode);
  }
}

TEST_CASE("keys: an endpoint fails, only its keys move, and they return when it works again") {
  auto router = site<Keyed>({1, 1, 1, 1}, {1});
  auto dispatcher = router.dispatcher();
  const auto homes = [&] {
    std::vector<std::string> all;
    for (std::uint64_t i = 0; i < 400; ++i)
      all.emplace_back(dispatcher.route(pdroute::Request{.key = pdroute::key(i)})->prefill.id());
    return all;
  };
  const auto before = homes();
  REQUIRE(router.set_health("p1", Health::unhealthy));
  const auto meanwhile = homes();
  for (std::size_t i = 0; i < before.size(); ++i) CHECK((meanwhile[i] == before[i]) == (before[i] != "p1"));
  REQUIRE(router.set_health("p1", Health::healthy));
  CHECK(homes() == before);
  REQUIRE(router.assign(Role::prefill, gpus("p", {1})));
  REQUIRE(router.assign(Role::prefill, gpus("p", {1, 1, 1, 1})));  // new incarnations of the same ids
  CHECK(homes() == before);
}

TEST_CASE("fault: one hot block sends 1000 of 1000 requests to one of 8 endpoints, while they run") {
  auto router = site<Keyed>(std::vector<std::uint32_t>(8, 1), {1});
  auto dispatcher = router.dispatcher();
  const pdroute::Request hot{.key = pdroute::key("hot")};
  std::vector<Keyed::PrefillLease> held;
  for (int i = 0; i < 1000; ++i) held.push_back(dispatcher.prefill(hot).value());
  std::uint32_t max_in_flight = 0;
  for (const auto& endpoint : router.endpoints(Role::prefill))
    max_in_flight = std::max(max_in_flight, endpoint.in_flight);
  CHECK(max_in_flight == 157);  // 1.25 * 1000 / 8, rounded up
}

TEST_CASE("keys: requests without a key go to the endpoint with fewer in flight") {
  auto router = site<Keyed>({1, 1}, {1});
  auto dispatcher = router.dispatcher();
  std::vector<Keyed::PrefillLease> held;
  for (int i = 0; i < 100; ++i) held.push_back(dispatcher.prefill().value());
  for (const auto& endpoint : router.endpoints(Role::prefill)) CHECK(endpoint.in_flight == 50);
}

TEST_CASE("keys: a retry excludes the failed endpoint, and always gets the next one in the key's order") {
  auto router = site<Keyed>({1, 1, 1, 1}, {1});
  auto dispatcher = router.dispatcher();
  const pdroute::Request request{.key = pdroute::key("u42")};
  auto first = dispatcher.prefill(request).value();
  pdroute::FailedEndpoints<> failed;
  failed.add(first);
  const std::string failed_id{first.id()};
  first.fail(pdroute::FailureKind::bad_response);
  const std::string second{dispatcher.prefill(request, {.exclude = failed})->id()};
  CHECK(second != failed_id);
  for (int i = 0; i < 10; ++i) CHECK(dispatcher.prefill(request, {.exclude = failed})->id() == second);
}

TEST_CASE("keys: a weighted policy or fallback within AnyPolicy gives exact shares by weight") {
  using Any = pdroute::AnyPolicy<RendezvousPolicy<WeightedRoundRobinPolicy>, WeightedRoundRobinPolicy>;
  const auto policy = GENERATE(Any{RendezvousPolicy<WeightedRoundRobinPolicy>{}}, Any{WeightedRoundRobinPolicy{}});
  using Router = RouterOf<Any, WeightedRoundRobinPolicy>;
  auto router =
      Router::create({.prefill = gpus("p", {1, 2, 5}), .decode = gpus("d", {1}), .prefill_policy = policy}).value();
  auto dispatcher = router.dispatcher();
  Count shares;
  for (int i = 0; i < 80; ++i) count(shares, dispatcher.route());
  CHECK(shares == Count{{"p0", 10}, {"p1", 20}, {"p2", 50}, {"d0", 80}});
}

TEST_CASE("keys: an invalid load bound is refused when the router is created") {
  const auto wrong = Keyed::create({.prefill_policy = {.bound = 0.5}});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().rule == pdroute::ConfigError::Rule::load_bound_in_range);
}
