// SPDX-License-Identifier: Apache-2.0
// Does random actions on a whole router and compares the router with a model after each action.
#include <cstdint>

#include "catch2_compat.hpp"
#include "fuzz/bytes.hpp"
#include "fuzz/world.hpp"

TEST_CASE("random actions: the router equals its model after each action") {
  std::uint64_t spared = 0;  // rare, so it is counted over all seeds
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    INFO("seed " << seed);
    const auto bytes = fuzz::random_bytes(seed, 200000);
    fuzz::World world{fuzz::Bytes{bytes}};
    while (world.step()) {
    }
    world.finish();
    CHECK(world.violation() == "");

    const fuzz::Tally& tally = world.tally();
    CHECK(tally.chosen > 200);
    CHECK(tally.refused > 200);
    CHECK(tally.full > 50);
    CHECK(tally.incompatible > 5);
    CHECK(tally.thrown > 0);
    CHECK(tally.adopted > 20);
    CHECK(tally.bad_lease_ids > 20);
    CHECK(tally.role_changes > 2);
    CHECK(tally.back > 10);
    CHECK(tally.entries_refused > 2);
    CHECK(tally.cores > 1);
    CHECK(tally.ejected > 20);
    CHECK(tally.taken_back > 0);
    CHECK(tally.bound_only > 10);
    spared += tally.spared;
  }
  CHECK(spared > 0);
}
