// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/slot_count.hpp>

#include "catch2_compat.hpp"

using pdroute::SlotCount;

TEST_CASE("leases are counted from reserve to release") {
  SlotCount count;
  CHECK(count.in_flight() == 0);
  CHECK(count.try_reserve() == SlotCount::Attempt::reserved);
  CHECK(count.try_reserve() == SlotCount::Attempt::reserved);
  CHECK(count.in_flight() == 2);
  CHECK_FALSE(count.release());
  CHECK_FALSE(count.release());
  CHECK(count.in_flight() == 0);
}

TEST_CASE("a closed slot takes no lease and keeps those that run") {
  SlotCount count;
  CHECK(count.try_reserve() == SlotCount::Attempt::reserved);
  count.close();
  CHECK(count.closed());
  CHECK(count.try_reserve() == SlotCount::Attempt::closed);
  CHECK(count.in_flight() == 1);
  CHECK_FALSE(count.release());
  CHECK(count.in_flight() == 0);
  CHECK(count.try_reserve() == SlotCount::Attempt::closed);
}

TEST_CASE("the last of pins and leases is told that the slot is dead") {
  SECTION("a pin goes last") {
    SlotCount count;
    count.pin();
    CHECK(count.try_reserve() == SlotCount::Attempt::reserved);
    CHECK_FALSE(count.release());
    CHECK_FALSE(count.unpin());
    CHECK(count.unpin());
  }
  SECTION("a lease goes last, closed or not") {
    SlotCount count;
    CHECK(count.try_reserve() == SlotCount::Attempt::reserved);
    if (GENERATE(false, true)) count.close();
    CHECK_FALSE(count.unpin());
    CHECK(count.release());
  }
}
