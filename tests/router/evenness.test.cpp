// SPDX-License-Identifier: Apache-2.0
// Shares when only some endpoints may be chosen: filters differ from call to call, or endpoints are full.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::QpsPolicy;
using pdroute::Role;
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;
using Ids = std::vector<std::string_view>;
using OwnTurns = RoundRobinPolicy<Rotation::per_dispatcher>;

template <class Policy>
auto site(std::size_t prefill, std::size_t decode) {
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Node, pdroute::ManualClock>;
  return Router::create({.prefill = nodes("p", prefill), .decode = nodes("d", decode)}).value();
}

/// The requests of each prefill endpoint while those in `full` are full.
template <class Policy>
std::map<std::string, int> shares_beside_full(std::size_t n, const std::vector<std::string>& full) {
  auto router = site<Policy>(n, 1);
  auto dispatcher = router.dispatcher();
  std::vector<typename decltype(router)::PrefillLease> held;
  for (const std::string& id : full) {
    CHECK_FALSE(router.set_capacity(Role::prefill, id, {.requests = 1}));
    held.push_back(dispatcher.prefill({}, {.allowed = Ids{id}}).value());
  }
  std::map<std::string, int> count;
  for (int i = 0; i < 1200; ++i) ++count[std::string(dispatcher.route()->prefill.id())];
  return count;
}

/// The requests of each prefill endpoint while two tenants alternate. Each may use half of the endpoints.
template <class Policy>
std::map<std::string, int> shares_of_two_tenants() {
  auto router = site<Policy>(4, 1);
  auto dispatcher = router.dispatcher();
  const Ids first{"p0", "p1"};
  const Ids second{"p2", "p3"};
  std::map<std::string, int> count;
  for (int i = 0; i < 1200; ++i)
    ++count[std::string(dispatcher.route({}, {.prefill = {.allowed = i % 2 == 0 ? first : second}})->prefill.id())];
  return count;
}

using Shares = std::map<std::string, int>;

/// Whether exactly these endpoints share 1200 requests, within five standard deviations of a random draw.
bool even(const Shares& shares, const std::vector<std::string>& ids) {
  const double mean = 1200.0 / static_cast<double>(ids.size());
  return shares.size() == ids.size() && std::all_of(ids.begin(), ids.end(), [&](const std::string& id) {
           const auto share = shares.find(id);
           return share != shares.end() && std::abs(share->second - mean) < 5 * std::sqrt(mean);
         });
}

}  // namespace

TEMPLATE_TEST_CASE("some endpoints are full, in any pattern: the others share evenly", "", RoundRobinPolicy<>,
                   OwnTurns) {
  CHECK(even(shares_beside_full<TestType>(6, {"p0", "p2", "p4"}), {"p1", "p3", "p5"}));
  CHECK(even(shares_beside_full<TestType>(4, {"p0", "p2"}), {"p1", "p3"}));
  CHECK(even(shares_beside_full<TestType>(3, {"p0"}), {"p1", "p2"}));
}

TEMPLATE_TEST_CASE("two tenants alternate: each uses all of its endpoints evenly", "", RoundRobinPolicy<>, OwnTurns) {
  CHECK(even(shares_of_two_tenants<TestType>(), {"p0", "p1", "p2", "p3"}));
}

TEST_CASE("some endpoints are full, or tenants alternate: the QPS policy shares exactly") {
  CHECK(shares_beside_full<QpsPolicy<>>(6, {"p0", "p2", "p4"}) == Shares{{"p1", 400}, {"p3", 400}, {"p5", 400}});
  CHECK(shares_beside_full<QpsPolicy<>>(4, {"p0", "p2"}) == Shares{{"p1", 600}, {"p3", 600}});
  CHECK(shares_of_two_tenants<QpsPolicy<>>() == Shares{{"p0", 300}, {"p1", 300}, {"p2", 300}, {"p3", 300}});
}

TEST_CASE("filtered calls come between routes: two legs with the QPS policy still use all pairs") {
  auto router = site<QpsPolicy<>>(2, 2);
  auto dispatcher = router.dispatcher();
  Shares pairs;
  for (int i = 0; i < 400; ++i) {
    static_cast<void>(dispatcher.decode({}, {.allowed = Ids{"d0"}}));  // other calls, spread evenly
    static_cast<void>(dispatcher.decode({}, {.allowed = Ids{"d1"}}));
    ++pairs[names(dispatcher.route())];
  }
  CHECK(pairs.size() == 4);  // not 2
}
