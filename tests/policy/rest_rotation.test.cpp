// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/rest_rotation.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <pdroute/random.hpp>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::RestRotation;

struct Life {
  std::uint64_t number;
  [[nodiscard]] std::uint64_t incarnation() const { return number; }
};
using Lives = std::vector<Life>;

struct Draws {
  pdroute::SplitMix64 generator{1};
  std::size_t first = 0;
  [[nodiscard]] std::size_t first_size() const { return first; }
  std::uint32_t below(std::uint32_t bound) { return pdroute::below(generator, bound); }
};

std::size_t take(RestRotation& rotation, const auto& candidates, Draws& draws) {
  const std::size_t index = rotation.next(candidates, draws);
  rotation.chose(index, candidates.size());
  return index;
}

/// `count` lives from `from` on.
Lives lives(std::uint64_t from, std::size_t count) {
  Lives list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({from + i});
  return list;
}

}  // namespace

TEST_CASE("rest rotation: each set goes on where it was, whatever sets come between") {
  RestRotation rotation;
  Draws draws;
  const Lives a{{1}, {2}, {3}};
  const Lives b{{1}, {3}};
  const Lives c{{2}, {3}};
  std::size_t next_a = take(rotation, a, draws);
  std::size_t next_b = take(rotation, b, draws);
  for (int i = 0; i < 30; ++i) {
    next_a = (next_a + 1) % 3;
    next_b = (next_b + 1) % 2;
    static_cast<void>(take(rotation, c, draws));
    REQUIRE(take(rotation, a, draws) == next_a);
    REQUIRE(take(rotation, b, draws) == next_b);
  }
}

TEST_CASE("rest rotation: on the second leg each round is complete and begins at random") {
  RestRotation rotation;
  Draws draws{.first = 2};
  const Lives mine{{1}, {2}};
  std::map<std::size_t, int> begins;
  for (int round = 0; round < 400; ++round) {
    const std::size_t begin = take(rotation, mine, draws);
    ++begins[begin];
    REQUIRE(take(rotation, mine, draws) == 1 - begin);
  }
  CHECK(std::abs(begins[0] - 200) < 50);
}

TEST_CASE("rest rotation: a set that is new starts at random") {
  std::map<std::size_t, int> first;
  Draws draws;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    RestRotation rotation;
    ++first[take(rotation, lives(i, 4), draws)];
  }
  for (std::size_t i = 0; i < 4; ++i) {
    INFO(first[i] << " of 4000, expected 1000; 5 sigma is 137");
    CHECK(std::abs(first[i] - 1000) < 137);
  }
}

TEST_CASE("rest rotation: ever new sets between do not make a set uneven") {
  RestRotation rotation;
  Draws draws;
  const Lives mine{{1}, {2}};
  std::map<std::size_t, int> count;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    for (std::uint64_t k = 0; k < 40; ++k) static_cast<void>(take(rotation, lives(100 + 40 * i + k, 3), draws));
    ++count[take(rotation, mine, draws)];
  }
  INFO(count[0] << " of 4000, expected 2000; 5 sigma is 158");
  CHECK(std::abs(count[0] - 2000) < 158);
}

TEST_CASE("rest rotation: a set used often is kept while others come and go") {
  RestRotation rotation;
  Draws draws;
  const Lives mine{{1}, {2}};
  std::size_t next = take(rotation, mine, draws);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    static_cast<void>(take(rotation, lives(100 + i, 3), draws));
    next = (next + 1) % 2;
    REQUIRE(take(rotation, mine, draws) == next);
  }
}

TEST_CASE("rest rotation: sets used since the cursor start at random again, the others go on") {
  RestRotation rotation;
  Draws draws;
  const Lives a{{1}, {2}, {3}};
  const Lives b{{4}, {5}, {6}};
  const std::size_t last = take(rotation, a, draws);
  const auto cursor = rotation.cursor();
  static_cast<void>(take(rotation, b, draws));
  CHECK(rotation.knows(a));
  CHECK(rotation.knows(b));
  rotation.go_back(cursor);
  CHECK(rotation.knows(a));
  CHECK_FALSE(rotation.knows(b));
  CHECK(take(rotation, a, draws) == (last + 1) % 3);
}

TEST_CASE("rest rotation: sets of more than 64, and candidates without incarnations, are drawn at random") {
  RestRotation rotation;
  Draws draws;
  const Lives large = lives(1, 65);
  static_cast<void>(take(rotation, large, draws));
  CHECK_FALSE(rotation.knows(large));
  const Lives fits = lives(1, 64);
  static_cast<void>(take(rotation, fits, draws));
  CHECK(rotation.knows(fits));
  const std::vector<int> plain{1, 2, 3};
  CHECK(take(rotation, plain, draws) < 3);
  CHECK_FALSE(rotation.knows(plain));
  CHECK(rotation.knows(fits));
}

TEST_CASE("rest rotation: the sets used last are remembered, as many as there are places") {
  RestRotation rotation;
  Draws draws;
  constexpr std::uint64_t sets = 400;
  for (std::uint64_t set = 0; set < sets; ++set) take(rotation, lives(1 + 10 * set, 2), draws);
  int known = 0;
  for (std::uint64_t set = 0; set < sets; ++set) known += rotation.knows(lives(1 + 10 * set, 2)) ? 1 : 0;
  CHECK(known == 32);
}

TEST_CASE("rest rotation: a choice from a set too large to remember moves no other set") {
  RestRotation rotation;
  Draws draws;
  const Lives small = lives(1, 3);
  const Lives large = lives(100, RestRotation::max_size + 1);
  std::size_t next = take(rotation, small, draws);
  for (int i = 0; i < 6; ++i) {
    static_cast<void>(rotation.next(large, draws));
    rotation.chose(0, large.size());
    next = (next + 1) % 3;
    CHECK(take(rotation, small, draws) == next);
  }
}
