// SPDX-License-Identifier: Apache-2.0
#include <pdroute/session/detail/session_set.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::SessionSet;
constexpr std::int64_t life = SessionSet::lifetime;

static_assert(sizeof(SessionSet) == 128);  // 16 bytes a place, two cache lines
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// A session number as a table passes it on: well mixed.
constexpr std::uint64_t session(std::uint64_t number) {
  return (number + 1) * 0x9e3779b97f4a7c15U;
}

/// The numbers of those sessions from 0 to n-1 that are known, as one string.
std::string known(const SessionSet& set, std::uint64_t n, std::int64_t now) {
  std::string all;
  for (std::uint64_t i = 0; i < n; ++i) {
    if (set.find(session(i), now)) all += std::to_string(i);
  }
  return all;
}

}  // namespace

TEST_CASE("session set: an empty set knows no session, not even session zero") {
  const SessionSet set;
  for (const std::uint64_t any : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}}) CHECK_FALSE(set.find(any, 0));
}

TEST_CASE("session set: eight sessions keep their own incarnations, with any value") {
  SessionSet set;
  const std::array<std::uint64_t, 8> incarnations{0, 1, 2, 1, 0, 77, SessionSet::max_life - 1, SessionSet::max_life};
  for (std::uint64_t i = 0; i < 8; ++i) set.bind(session(i), incarnations[i], 5);
  for (std::uint64_t i = 0; i < 8; ++i) CHECK(set.find(session(i), 5) == incarnations[i]);
  CHECK_FALSE(set.find(session(8), 5));
}

TEST_CASE("session set: counts the sessions of a life, and no longer those that moved, ended or expired") {
  SessionSet set;
  CHECK(set.count(0, 5) == 0);  // empty places belong to no life
  for (std::uint64_t i = 0; i < 4; ++i) set.bind(session(i), 0, 5);
  for (std::uint64_t i = 4; i < 7; ++i) set.bind(session(i), SessionSet::max_life, 5);
  CHECK(set.count(0, 5) == 4);
  CHECK(set.count(1, 5) == 0);
  CHECK(set.count(SessionSet::max_life, 5) == 3);
  set.bind(session(0), 0, 6);  // a use
  set.bind(session(1), 1, 6);  // moves
  set.forget(session(2));      // ends
  CHECK(set.count(0, 6) == 2);
  CHECK(set.count(1, 6) == 1);
  CHECK(set.count(0, 5 + life) == 2);
  CHECK(set.count(0, 6 + life) == 1);
  CHECK(set.count(0, 7 + life) == 0);
}

TEST_CASE("session set: a binding expires after its lifetime, and a use begins a new lifetime") {
  SessionSet set;
  set.bind(session(0), 3, 100);
  CHECK(set.find(session(0), 100 + life) == 3U);
  CHECK_FALSE(set.find(session(0), 101 + life));
  set.bind(session(0), 3, 100 + life);
  CHECK(set.find(session(0), 100 + 2 * life) == 3U);
  CHECK_FALSE(set.find(session(0), 101 + 2 * life));
}

TEST_CASE("session set: find is not a use, so the binding expires") {
  SessionSet set;
  set.bind(session(0), 3, 0);
  for (std::int64_t now = 0; now <= life; ++now) CHECK(set.find(session(0), now) == 3U);
  CHECK_FALSE(set.find(session(0), life + 1));
}

TEST_CASE("session set: a use by a thread with an older time does not shorten the lifetime") {
  SessionSet set;
  set.bind(session(0), 3, 100);
  CHECK(set.find(session(0), 40) == 3U);
  set.bind(session(0), 3, 40);
  CHECK(set.find(session(0), 100 + life) == 3U);
}

TEST_CASE("session set: the clock steps back by more than a lifetime, old bindings are forgotten, new ones count") {
  SessionSet set;
  set.bind(session(0), 3, 10 * life);
  CHECK(set.find(session(0), 9 * life) == 3U);
  CHECK_FALSE(set.find(session(0), 9 * life - 1));
  set.bind(session(0), 4, 0);
  CHECK(set.find(session(0), life) == 4U);
  CHECK_FALSE(set.find(session(0), life + 1));
}

TEST_CASE("session set: a binding made before the epoch expires after the same lifetime") {
  SessionSet set;
  set.bind(session(0), 3, -5);
  CHECK(set.find(session(0), life - 5) == 3U);
  CHECK_FALSE(set.find(session(0), life - 4));
}

TEST_CASE("session set: ticks wrap after 8,192 lifetimes, an old binding is found within one lifetime of the wrap") {
  constexpr std::int64_t wrap = 8192 * life;
  SessionSet set;
  set.bind(session(0), 3, 0);
  for (std::int64_t now = life + 1; now < wrap - life; now += 97) {
    if (set.find(session(0), now)) FAIL("found at " << now);
  }
  CHECK_FALSE(set.find(session(0), wrap - life - 1));
  CHECK(set.find(session(0), wrap) == 3U);
  CHECK_FALSE(set.find(session(0), wrap + life + 1));
}

TEST_CASE("session set: a session that moves still takes one place") {
  SessionSet set;
  for (std::uint64_t i = 0; i < 8; ++i) set.bind(session(i), 1, 0);
  for (std::uint64_t to = 2; to < 50; ++to) set.bind(session(4), to, 0);
  CHECK(set.find(session(4), 0) == 49U);
  CHECK(known(set, 9, 0) == "01234567");
}

TEST_CASE("session set: a forgotten session frees its own place only") {
  SessionSet set;
  for (std::uint64_t i = 0; i < 8; ++i) set.bind(session(i), i, 0);
  set.forget(session(3));
  set.forget(session(50));
  CHECK(known(set, 9, 0) == "0124567");
  set.bind(session(8), 8, 0);
  CHECK(known(set, 9, 0) == "01245678");
}

TEST_CASE("session set: a full set drops the least recently used session for a new one") {
  SessionSet set;
  for (std::uint64_t i = 0; i < 8; ++i) set.bind(session(i), i, static_cast<std::int64_t>(i == 5 ? 1 : 10 + i));
  set.bind(session(8), 8, 20);
  CHECK(known(set, 9, 20) == "01234678");
}

TEST_CASE("session set: sessions of one incarnation, bound at one time, replace each other too") {
  SessionSet set;
  for (std::uint64_t i = 0; i < 100; ++i) {
    set.bind(session(i), 1, 0);
    CHECK(set.find(session(i), 0) == 1U);
  }
  CHECK_FALSE(set.find(session(0), 0));
}

TEST_CASE("session set: expired sessions are replaced first, however often they were used") {
  SessionSet set;
  for (int uses = 0; uses < 3; ++uses) set.bind(session(6), 6, 0);
  for (std::uint64_t i : {0U, 1U, 2U, 3U, 4U, 5U, 7U}) set.bind(session(i), i, 1);
  set.bind(session(8), 8, life + 1);
  CHECK(known(set, 9, life + 1) == "01234578");
}

TEST_CASE("session set: sessions bound more than once stay, newcomers bound once replace each other") {
  SessionSet set;
  for (std::uint64_t i = 0; i < 7; ++i) {
    set.bind(session(i), i, 0);
    set.bind(session(i), i, 0);
  }
  for (std::uint64_t i = 7; i < 5000; ++i) set.bind(session(i), i, 100);
  CHECK(known(set, 4999, 100) == "0123456");
  CHECK(set.find(session(4999), 100) == 4999U);
}

TEST_CASE("session set: all eight bound more than once, so newcomers replace the least recently used") {
  SessionSet set;
  for (std::uint64_t i = 0; i < 8; ++i) {
    set.bind(session(i), i, 0);
    set.bind(session(i), i, static_cast<std::int64_t>(i == 2 ? 1 : 5));
  }
  for (std::uint64_t i = 8; i < 5000; ++i) set.bind(session(i), i, 100);
  CHECK(known(set, 4999, 100) == "0134567");
}

TEST_CASE("session set: a session that returns after its lifetime counts as bound once") {
  SessionSet set;
  set.bind(session(0), 0, 0);
  set.bind(session(0), 0, 0);
  set.bind(session(0), 0, 2 * life);
  for (std::uint64_t i = 1; i < 9; ++i) set.bind(session(i), i, 2 * life + 1);
  CHECK(known(set, 9, 2 * life + 1) == "12345678");
}

TEST_CASE("session set: threads bind, move and forget at once, and no session gets another's incarnation") {
  constexpr std::uint64_t sessions = 24;  // three for each of the eight places
  constexpr std::uint64_t moves = 4;
  constexpr int threads = 4;
  SessionSet set;
  std::atomic<int> wrong = 0;
  std::atomic<int> found = 0;
  const auto work = [&](std::uint64_t seed) {
    std::uint64_t state = seed;
    int right = 0;
    int others = 0;
    for (std::int64_t step = 0; step < 40000; ++step) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      const std::uint64_t number = (state >> 33U) % sessions;
      const std::int64_t now = step / 8;
      switch ((state >> 60U) % 8) {
        case 0: set.forget(session(number)); break;
        case 1:
        case 2:
        case 3: set.bind(session(number), number * moves + (state >> 40U) % moves, now); break;
        default:
          if (const auto incarnation = set.find(session(number), now)) {
            ++(*incarnation / moves == number ? right : others);
          }
      }
    }
    found += right;
    wrong += others;
  };
  std::vector<std::thread> workers;
  for (std::uint64_t t = 0; t < threads; ++t) workers.emplace_back(work, t + 1);
  for (auto& worker : workers) worker.join();
  CHECK(wrong == 0);
  CHECK(found > 1000);

  // Whatever the threads have left, the set takes eight new sessions after a while, and forgets them when told to.
  for (std::uint64_t i = 100; i < 108; ++i) set.bind(session(i), i, 20000);
  for (std::uint64_t i = 100; i < 108; ++i) CHECK(set.find(session(i), 20000) == i);
  for (std::uint64_t i = 100; i < 108; ++i) set.forget(session(i));
  CHECK(known(set, 200, 20000).empty());
}

TEST_CASE("session set: a session is found while another thread uses it") {
  constexpr std::int64_t uses = 1'000'000;
  SessionSet set;
  set.bind(session(0), 7, 0);
  std::atomic<std::int64_t> now = 0;
  std::atomic<int> started = 0;
  std::atomic<int> missed = 0;
  const auto look = [&] {
    ++started;
    while (now < uses) {
      const std::int64_t before = now;
      const bool found = set.find(session(0), before) == 7U;
      if (!found && now < before + life) ++missed;  // a thread that slept longer is too far behind
    }
  };
  std::thread first(look);
  std::thread second(look);
  while (started < 2) std::this_thread::yield();
  for (std::int64_t tick = 1; tick <= uses; ++tick) {
    set.bind(session(0), 7, tick);
    now = tick;
  }
  first.join();
  second.join();
  CHECK(missed == 0);
}
