// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/slot_count.hpp>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

using pdroute::Capacity;
using pdroute::detail::SlotCount;
using Attempt = pdroute::detail::SlotCount::Attempt;

TEST_CASE("a lease counts as in flight from reserve to release, and as ended after that") {
  SlotCount count;
  CHECK(count.in_flight() == 0);
  CHECK(count.try_reserve() == Attempt::reserved);
  CHECK(count.try_reserve() == Attempt::reserved);
  CHECK(count.in_flight() == 2);
  CHECK(count.ended() == 0);
  CHECK_FALSE(count.release());
  CHECK(count.ended() == 1);
  CHECK_FALSE(count.release());
  CHECK(count.in_flight() == 0);
  CHECK(count.ended() == 2);
}

TEST_CASE("a closed slot refuses new leases and keeps the running ones") {
  SlotCount count;
  CHECK(count.try_reserve() == Attempt::reserved);
  count.close();
  CHECK(count.closed());
  CHECK(count.try_reserve() == Attempt::closed);
  CHECK(count.in_flight() == 1);
  CHECK_FALSE(count.release());
  CHECK(count.in_flight() == 0);
  CHECK(count.try_reserve() == Attempt::closed);
}

TEST_CASE("a full slot refuses a lease until another one has ended") {
  SlotCount count;
  CHECK(count.limit() == Capacity::max_requests);
  count.set_limit(2);
  CHECK(count.try_reserve() == Attempt::reserved);
  CHECK(count.try_reserve() == Attempt::reserved);
  CHECK(count.try_reserve() == Attempt::full);
  CHECK(count.in_flight() == 2);
  CHECK_FALSE(count.release());
  CHECK(count.try_reserve() == Attempt::reserved);
  CHECK(count.try_reserve() == Attempt::full);
}

TEST_CASE("a limit below the number in flight refuses new leases until enough have ended") {
  SlotCount count;
  for (int i = 0; i < 3; ++i) REQUIRE(count.try_reserve() == Attempt::reserved);
  count.set_limit(1);
  CHECK(count.in_flight() == 3);
  for (int i = 0; i < 3; ++i) {
    CHECK(count.try_reserve() == Attempt::full);
    CHECK_FALSE(count.release());
  }
  CHECK(count.try_reserve() == Attempt::reserved);
  CHECK(count.try_reserve() == Attempt::full);
  count.set_limit(2);
  CHECK(count.try_reserve() == Attempt::reserved);
}

TEST_CASE("a slot that is closed and full reports closed") {
  SlotCount count;
  count.set_limit(1);
  REQUIRE(count.try_reserve() == Attempt::reserved);
  REQUIRE(count.try_reserve() == Attempt::full);
  count.close();
  CHECK(count.try_reserve() == Attempt::closed);
  count.set_limit(Capacity::max_requests);
  CHECK(count.try_reserve() == Attempt::closed);
}

TEST_CASE("the last pin or lease to end reports that the slot is dead") {
  SECTION("a pin ends last") {
    SlotCount count;
    count.pin();
    CHECK(count.try_reserve() == Attempt::reserved);
    CHECK_FALSE(count.release());
    CHECK_FALSE(count.unpin());
    CHECK(count.unpin());
  }
  SECTION("a lease ends last, with the slot open or closed") {
    SlotCount count;
    CHECK(count.try_reserve() == Attempt::reserved);
    if (GENERATE(false, true)) count.close();
    CHECK_FALSE(count.unpin());
    CHECK(count.release());
  }
}

TEST_CASE("more pins than the count can hold keep the slot alive for good and change nothing else") {
  constexpr std::uint32_t pins = 1U << 20U;
  SlotCount count;
  REQUIRE(count.try_reserve() == Attempt::reserved);
  for (std::uint32_t i = 0; i < pins + 5; ++i) count.pin();
  CHECK(count.in_flight() == 1);
  CHECK(count.ended() == 0);
  CHECK_FALSE(count.closed());
  CHECK(count.try_reserve() == Attempt::reserved);
  CHECK_FALSE(count.release());
  CHECK_FALSE(count.release());
  bool dead = false;
  for (std::uint32_t i = 0; i < pins + 6; ++i) dead = dead || count.unpin();
  CHECK_FALSE(dead);
  count.close();
  CHECK(count.try_reserve() == Attempt::closed);
  CHECK(count.ended() == 2);
}

TEST_CASE("as many pins as can be counted end like any other") {
  constexpr std::uint32_t pins = (1U << 19U) - 2;  // and the membership's
  SlotCount count;
  for (std::uint32_t i = 0; i < pins; ++i) count.pin();
  std::uint32_t dead = 0;
  for (std::uint32_t i = 0; i < pins; ++i) dead += count.unpin() ? 1U : 0U;
  CHECK(dead == 0);
  CHECK(count.unpin());
}

TEST_CASE("a limit above the highest counts as the highest, so that leases never carry into closed") {
  SlotCount count;
  count.set_limit(0xffff'ffffU);
  CHECK(count.limit() == Capacity::max_requests);
}

TEST_CASE("the field of ended leases overflows, the count stays exact and other fields are unchanged") {
  constexpr std::uint64_t field = std::uint64_t{1} << 21U;
  constexpr std::uint64_t half = field / 2;
  SlotCount count;
  count.pin();
  REQUIRE(count.try_reserve() == Attempt::reserved);
  REQUIRE(count.try_reserve() == Attempt::reserved);  // two leases that stay in flight throughout
  std::uint64_t wrong = 0;
  for (std::uint64_t ended = 1; ended <= field + 8; ++ended) {
    wrong += count.try_reserve() == Attempt::reserved ? 0U : 1U;
    const bool near_a_half = (ended + 8) % half < 16;
    if (near_a_half && count.ended() != ended - 1) ++wrong;
    wrong += count.release() ? 1U : 0U;
    if (near_a_half && count.ended() != ended) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(count.in_flight() == 2);
  CHECK_FALSE(count.closed());

  count.close();
  CHECK_FALSE(count.release());
  CHECK_FALSE(count.release());
  CHECK(count.ended() == field + 10);
  CHECK_FALSE(count.unpin());
  CHECK(count.unpin());
}

TEST_CASE("threads reserve at once, the limit is never passed and each ended lease is counted") {
  constexpr std::uint32_t limit = 3;
  SlotCount count;
  count.set_limit(limit);
  std::atomic<std::uint64_t> reserved = 0;
  std::atomic<std::uint32_t> above = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40'000; ++i) {
        std::uint32_t mine = 0;
        while (mine < 2 && count.try_reserve() == Attempt::reserved) ++mine;
        if (count.in_flight() > limit) ++above;
        reserved += mine;
        while (mine-- > 0) static_cast<void>(count.release());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(above == 0);
  CHECK(count.in_flight() == 0);
  CHECK(count.ended() == reserved);
}
