// SPDX-License-Identifier: Apache-2.0
#include <pdroute/session/session_table.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <pdroute/manual_clock.hpp>
#include <thread>
#include <type_traits>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::key;
using pdroute::Key;
using pdroute::ManualClock;
using pdroute::Role;
using pdroute::SessionTable;
using Rule = pdroute::ConfigError::Rule;
constexpr Role decode = Role::decode;

static_assert(std::is_aggregate_v<SessionTable::Options>);
static_assert(!std::is_copy_constructible_v<SessionTable>);

/// How many of the `count` keys from `first` on are bound.
std::uint64_t known(const SessionTable& table, std::uint64_t first, std::uint64_t count, ManualClock::time_point now) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = first; i < first + count; ++i) sum += table.find(key(i), decode, now) ? 1U : 0U;
  return sum;
}

/// The expected part of the sessions, each bound once, that finds a place in sets of eight, where each session is
/// equally likely to fall into each set. By the Poisson distribution, with `mean` sessions per set.
double expected_part(double mean) {
  double probability = std::exp(-mean);
  double stored = 0;
  for (int n = 0; n < 100; ++n) {
    stored += probability * std::min(n, 8);
    probability *= mean / (n + 1);
  }
  return stored / mean;
}

}  // namespace

TEST_CASE("session table: a session that was never bound is not found") {
  const SessionTable table;
  CHECK_FALSE(table.find(key("u42"), decode, ManualClock{}.now()));
  CHECK_FALSE(table.find(Key{0}, decode, ManualClock{}.now()));
}

TEST_CASE("session table: a session is bound, moved and forgotten in each role separately") {
  SessionTable table;
  const auto now = ManualClock{}.now();
  table.bind(key("u42"), Role::prefill, 1, now);
  table.bind(key("u42"), Role::decode, 7, now);
  CHECK(table.find(key("u42"), Role::prefill, now) == 1U);
  CHECK(table.find(key("u42"), Role::decode, now) == 7U);
  CHECK_FALSE(table.find(key("u43"), Role::decode, now));
  table.bind(key("u42"), Role::decode, 8, now);
  CHECK(table.find(key("u42"), Role::decode, now) == 8U);
  table.forget(key("u42"), Role::prefill);
  CHECK_FALSE(table.find(key("u42"), Role::prefill, now));
  CHECK(table.find(key("u42"), Role::decode, now) == 8U);
  table.bind(key("u42"), Role::prefill, 2, now);
  table.forget(key("u42"));
  CHECK_FALSE(table.find(key("u42"), Role::prefill, now));
  CHECK_FALSE(table.find(key("u42"), Role::decode, now));
}

TEST_CASE("session table: counts the sessions of a life in one role, from their first binding to their end") {
  ManualClock clock;
  SessionTable table({.max_bindings = 4096, .idle = 1h, .seed = 1});
  const auto count = [&](Role role, std::uint64_t incarnation) { return table.count(role, incarnation, clock.now()); };
  for (std::uint64_t i = 0; i < 100; ++i) {
    table.bind(key(i), Role::prefill, 1, clock.now());
    table.bind(key(i), Role::decode, i < 60 ? 1 : 2, clock.now());
  }
  CHECK(count(Role::prefill, 1) == 100);
  CHECK(count(Role::decode, 1) == 60);
  CHECK(count(Role::decode, 2) == 40);
  CHECK(count(Role::prefill, 2) == 0);

  clock.advance(30min);
  for (std::uint64_t i = 0; i < 10; ++i) table.bind(key(i), Role::decode, 1, clock.now());  // uses
  table.bind(key(10), Role::decode, 2, clock.now());                                        // moves
  table.forget(key(11));                                                                    // ends, in both roles
  CHECK(count(Role::decode, 1) == 58);
  CHECK(count(Role::decode, 2) == 41);
  CHECK(count(Role::prefill, 1) == 99);
  clock.advance(31min);  // all but the last eleven have been idle for too long
  CHECK(count(Role::decode, 1) == 10);
  CHECK(count(Role::decode, 2) == 1);
  CHECK(count(Role::prefill, 1) == 0);
}

TEST_CASE("session table: each router's lives are found by its mark, whatever their numbers") {
  const auto now = ManualClock{}.now();
  SessionTable table({.seed = 1});
  for (std::uint64_t router = 0; router < 500; ++router) {
    for (const std::uint64_t incarnation : {std::uint64_t{0}, std::uint64_t{77}, SessionTable::max_incarnation}) {
      for (const Role role : {Role::prefill, Role::decode}) {
        table.bind(key("u42"), role, incarnation, now, router);
        REQUIRE(table.find(key("u42"), role, now, router) == incarnation);
        REQUIRE(table.find(key("u42"), role, now) == incarnation);
        REQUIRE(table.find(key("u42"), role, now, router + 1) != incarnation);
        REQUIRE(table.count(role, incarnation, now, router) == 1);
        REQUIRE(table.count(role, incarnation, now, router + 1) == 0);
      }
    }
  }
}

TEST_CASE("session table: counts for an incarnation that no session can have, or in a refused table, none") {
  const auto now = ManualClock{}.now();
  SessionTable table({.seed = 1});
  table.bind(key("u42"), Role::prefill, 0, now);
  table.bind(key("u42"), Role::decode, SessionTable::max_incarnation, now);
  CHECK(table.count(Role::prefill, 0, now) == 1);
  CHECK(table.count(Role::decode, SessionTable::max_incarnation, now) == 1);
  for (const std::uint64_t beyond : {SessionTable::max_incarnation + 1, std::numeric_limits<std::uint64_t>::max()}) {
    CHECK(table.count(Role::prefill, beyond, now) == 0);
    CHECK(table.count(Role::decode, beyond, now) == 0);
  }
  CHECK(SessionTable({.idle = 0s}).count(Role::prefill, 0, now) == 0);
}

TEST_CASE("session table: a session is found up to its idle time, and no longer than idle / 1024 beyond") {
  for (const std::chrono::nanoseconds idle :
       {std::chrono::nanoseconds{4h}, std::chrono::nanoseconds{30s}, 1'024'000ns}) {
    for (const std::chrono::nanoseconds offset : {-123'456'789ns, 0ns, 1ns, 999'999ns}) {
      ManualClock clock;
      clock.set(offset);
      SessionTable table({.idle = idle});
      table.bind(key("u42"), decode, 1, clock.now());
      clock.advance(idle);
      CHECK(table.find(key("u42"), decode, clock.now()));
      table.bind(key("u42"), decode, 1, clock.now());  // a use
      clock.advance(idle);
      CHECK(table.find(key("u42"), decode, clock.now()));
      clock.advance(idle / 1024 + 1us);
      CHECK_FALSE(table.find(key("u42"), decode, clock.now()));
    }
  }
}

TEST_CASE("session table: the clock passes its epoch, and a session expires no later than elsewhere") {
  ManualClock clock;
  SessionTable table({.idle = 1'024us});
  clock.set(-999ns);
  table.bind(key("u42"), decode, 1, clock.now());
  clock.set(1'024us - 999ns);
  CHECK(table.find(key("u42"), decode, clock.now()));
  clock.set(1'024us + 1ns);
  CHECK_FALSE(table.find(key("u42"), decode, clock.now()));
}

TEST_CASE("session table: time points of any clock are accepted") {
  SessionTable table({.idle = 10s});
  const std::chrono::sys_seconds now{1'700'000'000s};
  table.bind(key("u42"), decode, 1, now);
  CHECK(table.find(key("u42"), decode, now + 10s) == 1U);
  CHECK_FALSE(table.find(key("u42"), decode, now + 11s));
}

TEST_CASE("session table: the clock steps back by less than the idle time, and nothing is forgotten") {
  ManualClock clock;
  clock.set(100h);
  SessionTable table;
  table.bind(key("u42"), decode, 1, clock.now());
  clock.set(97h);
  CHECK(table.find(key("u42"), decode, clock.now()) == 1U);
}

TEST_CASE("session table: an incarnation above the maximum is not stored, and the binding before it is forgotten") {
  SessionTable table;
  const auto now = ManualClock{}.now();
  table.bind(key("u42"), decode, SessionTable::max_incarnation, now);
  CHECK(table.find(key("u42"), decode, now) == SessionTable::max_incarnation);
  for (const std::uint64_t beyond : {SessionTable::max_incarnation + 1, SessionTable::max_incarnation + 2,
                                     std::numeric_limits<std::uint64_t>::max()}) {
    table.bind(key("u42"), decode, 7, now);
    table.bind(key("u42"), decode, beyond, now);
    CHECK_FALSE(table.find(key("u42"), decode, now));
  }
}

TEST_CASE("session table: the capacity is max_bindings, rounded up to sets of eight") {
  CHECK(SessionTable({.max_bindings = 1}).capacity() == 8);
  CHECK(SessionTable({.max_bindings = 8}).capacity() == 8);
  CHECK(SessionTable({.max_bindings = 9}).capacity() == 16);
  CHECK(SessionTable({.max_bindings = 65'536}).capacity() == 65'536);
  CHECK(SessionTable().capacity() == 131'072);
}

TEST_CASE("session table: options out of range are refused, and such a table stores nothing") {
  const auto rule_of = [](const SessionTable::Options& options) {
    SessionTable table(options);
    const auto now = ManualClock{}.now();
    table.bind(key("u42"), decode, 1, now);
    CHECK(table.find(key("u42"), decode, now).has_value() == !table.check());
    table.forget(key("u42"));
    return table.check() ? std::optional{table.check()->rule} : std::nullopt;
  };
  CHECK(rule_of({}) == std::nullopt);
  CHECK(rule_of({.max_bindings = 0}) == Rule::sessions_in_range);
  CHECK(rule_of({.max_bindings = SessionTable::max_places + 1}) == Rule::sessions_in_range);
  CHECK(rule_of({.max_bindings = std::numeric_limits<std::size_t>::max()}) == Rule::sessions_in_range);
  CHECK(rule_of({.idle = 1ns}) == std::nullopt);
  CHECK(rule_of({.idle = 24h * 365 * 100}) == std::nullopt);
  CHECK(rule_of({.idle = 24h * 365 * 100 + 1ns}) == Rule::idle_in_range);
  CHECK(rule_of({.idle = 0ns}) == Rule::idle_in_range);
  CHECK(rule_of({.idle = std::chrono::nanoseconds::min()}) == Rule::idle_in_range);
  CHECK(rule_of({.idle = std::chrono::nanoseconds::max()}) == Rule::idle_in_range);
  CHECK(SessionTable({.idle = -5ns}).check()->text() ==
        "the time that a session may be idle must be longer than zero and at most a hundred years: -5 ns");
}

TEST_CASE("session table: sessions spread evenly, so a table with twice the places loses few") {
  const auto now = ManualClock{}.now();
  constexpr std::uint64_t places = 65'536;
  for (const std::uint64_t sessions : {places, places / 2}) {
    SessionTable table({.max_bindings = places, .seed = 1});
    for (std::uint64_t i = 0; i < sessions; ++i) table.bind(key(i), decode, 1, now);
    const double part = static_cast<double>(known(table, 0, sessions, now)) / static_cast<double>(sessions);
    const double expected = expected_part(8.0 * static_cast<double>(sessions) / static_cast<double>(places));
    CHECK(part == Approx(expected).margin(0.005));  // more than four standard deviations
  }
  CHECK(1 - expected_part(8) == Approx(1.0 / 7).margin(0.01));  // as the documentation says
  CHECK(1 - expected_part(4) == Approx(1.0 / 120).margin(0.0005));
}

TEST_CASE("session table: a million sessions bound once do not grow the table or displace those bound twice") {
  ManualClock clock;
  SessionTable table({.max_bindings = 65'536, .seed = 1});
  constexpr std::uint64_t regulars = 1000;
  for (int uses = 0; uses < 2; ++uses) {
    for (std::uint64_t i = 0; i < regulars; ++i) table.bind(key(i), decode, i, clock.now());
  }
  for (std::uint64_t i = 0; i < 1'000'000; ++i) table.bind(key(regulars + i), decode, 1, clock.now());
  CHECK(table.capacity() == 65'536);
  CHECK(known(table, 0, regulars, clock.now()) == regulars);
  CHECK(known(table, regulars, 1'000'000, clock.now()) <= 65'536);

  // A session that is bound twice counts as a regular too: in a flood of those, only the last use counts.
  clock.advance(1min);
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    for (int uses = 0; uses < 2; ++uses) table.bind(key(2'000'000 + i), decode, 1, clock.now());
  }
  CHECK(known(table, 0, regulars, clock.now()) == 0);
}

TEST_CASE("session table: keys that share a set under one seed are spread under another seed") {
  const auto now = ManualClock{}.now();
  constexpr std::size_t places = 4096;
  const Key victim = key("victim");
  // An attacker guesses the seed, fills a private table with that seed, and notes the key that displaces the victim.
  // That is the eighth new key in the victim's set.
  const auto next_aimed = [&](std::uint64_t from) {
    SessionTable table({.max_bindings = places, .seed = 1});
    table.bind(victim, decode, 1, now);
    while (table.find(victim, decode, now + 1h)) table.bind(key(from++), decode, 2, now + 1h);
    return from;
  };
  std::vector<Key> aimed;
  for (std::uint64_t i = 0; aimed.size() < 8;) {
    i = next_aimed(i);
    aimed.push_back(key(i - 1));
  }
  const auto displaces = [&](std::uint64_t seed) {
    SessionTable table({.max_bindings = places, .seed = seed});
    table.bind(victim, decode, 1, now);
    for (const Key hostile : aimed) table.bind(hostile, decode, 2, now + 1h);
    return !table.find(victim, decode, now + 1h);
  };
  CHECK(displaces(1));
  for (std::uint64_t seed = 2; seed < 100; ++seed) CHECK_FALSE(displaces(seed));
}

TEST_CASE("session table: without a seed each table draws its own, so keys aimed at one do not hit another") {
  const auto now = ManualClock{}.now();
  const auto known_to_a_new_table = [&] {
    SessionTable table({.max_bindings = 256});
    for (std::uint64_t i = 0; i < 1000; ++i) table.bind(key(i), decode, i, now);
    std::vector<std::uint64_t> all;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      if (table.find(key(i), decode, now)) all.push_back(i);
    }
    return all;
  };
  CHECK(known_to_a_new_table() != known_to_a_new_table());
}

TEST_CASE("session table: the same seed and calls give the same bindings, another seed gives others") {
  const auto now = ManualClock{}.now();
  const auto known_with = [&](std::uint64_t seed) {
    SessionTable table({.max_bindings = 256, .seed = seed});
    for (std::uint64_t i = 0; i < 1000; ++i) table.bind(key(i), decode, i, now);
    std::vector<std::uint64_t> all;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      if (table.find(key(i), decode, now)) all.push_back(i);
    }
    return all;
  };
  CHECK(known_with(1) == known_with(1));
  CHECK(known_with(1) != known_with(2));
}

TEST_CASE("session table: threads share it, and no session gets another's incarnation") {
  constexpr std::uint64_t sessions = 64;  // in a table with 16 places
  SessionTable table({.max_bindings = 16, .seed = 3});
  std::array<int, 4> wrong{};
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    workers.emplace_back([&table, &bad = wrong[t], t] {
      ManualClock clock;
      for (std::uint64_t i = 0; i < 40'000; ++i) {
        const std::uint64_t session = (i * (2 * t + 1) + t * 17) % sessions;
        clock.advance(1ms);
        if (i % 4 == t) table.bind(key(session), decode, session * 8 + i % 8, clock.now());
        if (i % 97 == 0) table.forget(key(session));
        const auto found = table.find(key(session), decode, clock.now());
        if (found && *found / 8 != session) ++bad;
      }
    });
  }
  for (auto& worker : workers) worker.join();
  for (const int bad : wrong) CHECK(bad == 0);
}
