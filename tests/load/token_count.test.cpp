// SPDX-License-Identifier: Apache-2.0
#include <pdroute/load/token_count.hpp>

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Demand;
using pdroute::KvTokens;
using pdroute::Tokens;
using pdroute::detail::CappedSum;

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("capped sum: takes exactly its limit and no more") {
  CappedSum sum;
  sum.set_limit(100);
  CHECK(sum.try_add(60));
  CHECK_FALSE(sum.try_add(41));
  CHECK(sum.value() == 60);
  CHECK(sum.try_add(40));
  CHECK_FALSE(sum.try_add(1));
  CHECK(sum.value() == 100);
  sum.subtract(100);
  CHECK(sum.value() == 0);
  CHECK_FALSE(sum.try_add(101));
}

TEST_CASE("capped sum: zero fits a full sum, but not a sum above its limit") {
  CappedSum sum;
  sum.set_limit(5);
  REQUIRE(sum.try_add(5));
  CHECK(sum.has_room(0));
  CHECK(sum.try_add(0));
  sum.set_limit(4);
  CHECK_FALSE(sum.has_room(0));
  CHECK_FALSE(sum.try_add(0));
  CHECK(sum.value() == 5);
}

TEST_CASE("capped sum: amounts near the largest value do not overflow") {
  CappedSum sum;
  SECTION("without a limit, the type's largest value is the limit") {
    CHECK(sum.try_add(largest - 1));
    CHECK_FALSE(sum.try_add(2));
    CHECK(sum.value() == largest - 1);
    CHECK(sum.try_add(1));
    CHECK_FALSE(sum.has_room(1));
    CHECK(sum.try_add(0));
    sum.subtract(largest);
  }
  SECTION("with a limit, a large amount is refused") {
    sum.set_limit(10);
    REQUIRE(sum.try_add(9));
    CHECK_FALSE(sum.try_add(largest));
    CHECK_FALSE(sum.try_add(largest - 8));  // 9 + this is 0 in 64 bits
    CHECK(sum.value() == 9);
    sum.subtract(9);
  }
  CHECK(sum.value() == 0);
}

TEST_CASE("capped sum: limit lowered below the sum, the sum stays and additions are refused until there is room") {
  CappedSum sum;
  REQUIRE(sum.try_add(30));
  REQUIRE(sum.try_add(20));
  sum.set_limit(25);
  CHECK(sum.value() == 50);
  CHECK_FALSE(sum.try_add(1));
  sum.subtract(30);
  CHECK(sum.try_add(5));
  CHECK_FALSE(sum.try_add(1));
  sum.set_limit({});
  CHECK(sum.try_add(1'000'000));
}

TEST_CASE("capped sum: growth may pass the limit but not the largest value, and returns what it added") {
  CappedSum sum;
  sum.set_limit(10);
  REQUIRE(sum.try_add(10));
  CHECK(sum.grow(7) == 7);
  CHECK(sum.value() == 17);
  CHECK(sum.grow(largest) == largest - 17);
  CHECK(sum.value() == largest);
  CHECK(sum.grow(1) == 0);
  sum.subtract(largest - 17);
  CHECK(sum.value() == 17);
}

TEST_CASE("capped sum: has_room agrees with try_add") {
  CappedSum sum;
  sum.set_limit(100);
  REQUIRE(sum.try_add(40));
  for (const std::uint64_t amount :
       {std::uint64_t{0}, std::uint64_t{59}, std::uint64_t{60}, std::uint64_t{61}, largest}) {
    INFO("amount " << amount);
    const bool room = sum.has_room(amount);
    const bool added = sum.try_add(amount);
    CHECK(room == added);
    if (added) sum.subtract(amount);
  }
}

TEST_CASE("token counts: each metric counts its own part of the demand, against its own limit") {
  Tokens tokens;
  KvTokens kv_tokens;
  const pdroute::Capacity capacity{.tokens = 100, .kv_tokens = 1000};
  tokens.set_capacity(capacity);
  kv_tokens.set_capacity(capacity);
  const Demand demand{.tokens = 70, .kv_tokens = 700};
  Tokens::Held held;
  KvTokens::Held kv_held;
  REQUIRE(tokens.try_hold(demand, held));
  REQUIRE(kv_tokens.try_hold(demand, kv_held));
  CHECK(tokens.tokens() == 70);
  CHECK(kv_tokens.kv_tokens() == 700);
  CHECK(tokens.has_room({.tokens = 30, .kv_tokens = largest}));
  CHECK_FALSE(tokens.has_room({.tokens = 31}));
  CHECK(kv_tokens.has_room({.tokens = largest, .kv_tokens = 300}));
  CHECK_FALSE(kv_tokens.has_room({.kv_tokens = 301}));
}

TEST_CASE("token counts: a holder gives back what it took and what it grew by, only once") {
  Tokens tokens;
  tokens.set_capacity({.tokens = 10});
  Tokens::Held one;
  Tokens::Held other;
  REQUIRE(tokens.try_hold({.tokens = 4}, one));
  REQUIRE(tokens.try_hold({.tokens = 6}, other));
  tokens.grow(one, 3);
  CHECK(tokens.tokens() == 13);
  tokens.let_go(one);
  CHECK(tokens.tokens() == 6);
  tokens.let_go(one);
  CHECK(tokens.tokens() == 6);
  tokens.let_go(other);
  CHECK(tokens.tokens() == 0);
}

TEST_CASE("token counts: a refused holder holds nothing") {
  KvTokens kv_tokens;
  kv_tokens.set_capacity({.kv_tokens = 10});
  KvTokens::Held held;
  REQUIRE_FALSE(kv_tokens.try_hold({.kv_tokens = 11}, held));
  CHECK(held.amount == 0);
  CHECK(kv_tokens.kv_tokens() == 0);
}

TEST_CASE("token counts: growth cut short by the largest value is given back exactly") {
  Tokens tokens;
  Tokens::Held one;
  Tokens::Held other;
  REQUIRE(tokens.try_hold({.tokens = 5}, one));
  REQUIRE(tokens.try_hold({.tokens = 6}, other));
  tokens.grow(one, largest);
  tokens.grow(other, largest);
  CHECK(tokens.tokens() == largest);
  tokens.let_go(one);
  CHECK(tokens.tokens() == 6);
  tokens.let_go(other);
  CHECK(tokens.tokens() == 0);
}

TEST_CASE("capped sum: threads add at once, never pass the limit, and the sum returns to zero") {
  CappedSum sum;
  constexpr std::uint64_t limit = 10;
  sum.set_limit(limit);
  std::atomic<int> above = 0;
  std::atomic<int> added = 0;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 40'000; ++i) {
        const std::uint64_t amount = (i + t) % 7;
        if (!sum.try_add(amount)) continue;
        ++added;
        if (sum.value() > limit) ++above;
        sum.subtract(amount);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(added > 0);
  CHECK(above == 0);
  CHECK(sum.value() == 0);
}
