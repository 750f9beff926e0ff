// SPDX-License-Identifier: Apache-2.0
// Random actions on a whole router, each compared with a model of it.
#include <cstdint>

#include "catch2_compat.hpp"
#include "fuzz/bytes.hpp"
#include "fuzz/world.hpp"

TEST_CASE("random actions: after each of them the router is what the model says") {
  const auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{9}));
  INFO("seed " << seed);
  const auto bytes = fuzz::random_bytes(seed, 150000);
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
  CHECK(tally.bad_tokens > 20);
  CHECK(tally.role_changes > 2);
  CHECK(tally.cores > 1);
  CHECK(tally.ejected > 20);
  CHECK(tally.spared > 0);
  CHECK(tally.taken_back > 0);
}
