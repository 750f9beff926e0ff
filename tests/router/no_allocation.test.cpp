// SPDX-License-Identifier: Apache-2.0
// Policies that keep tables allocate when the endpoints change, and at no other time.
#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "allocations.hpp"
#include "catch2_compat.hpp"

namespace {

struct Gpus {
  std::string id;
  std::uint32_t weight;
};
using List = std::vector<Gpus>;
using Keyed = pdroute::RendezvousPolicy<pdroute::WeightedRoundRobinPolicy>;
using Router = pdroute::DisaggregatedRouter<pdroute::WeightedRoundRobinPolicy, Keyed, Gpus, pdroute::ManualClock>;

}  // namespace

TEST_CASE("weights and keys: a change of endpoints allocates, the choices after it do not") {
  const List prefill{{"p0", 1}, {"p1", 2}, {"p2", 5}};
  const List decode{{"d0", 3}, {"d1", 7}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();
  const std::vector<std::string_view> some{"p0", "p2"};
  const auto serve = [&](std::uint64_t i) {
    const auto keyed = dispatcher.route(pdroute::Request{.key = pdroute::key(i)});
    const auto plain = dispatcher.route();
    const auto filtered = dispatcher.route({}, {.prefill = {.allowed = some}});
    return keyed && plain && filtered;
  };
  const auto allocations = [&] {
    const std::uint64_t before = bench::allocations_of_this_thread();
    bool served = true;
    for (std::uint64_t i = 0; i < 3'000; ++i) served = serve(i) && served;
    CHECK(served);
    return bench::allocations_of_this_thread() - before;
  };
  REQUIRE(serve(0));
  CHECK(allocations() == 0);
  REQUIRE(router.assign(pdroute::Role::prefill, List{{"p0", 1}, {"p3", 9}, {"p4", 9}, {"p2", 9}, {"p5", 4}}));
  CHECK(allocations() > 0);  // which shows that the counter works
  CHECK(allocations() == 0);
}
