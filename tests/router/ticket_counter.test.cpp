// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/detail/ticket_counter.hpp>

#include <cstdint>

#include "catch2_compat.hpp"

using pdroute::Role;
using pdroute::detail::TicketCounter;
using Draw = TicketCounter::Draw;

TEST_CASE("a call draws one turn for each leg that it routes, and none for the other leg") {
  TicketCounter turns;
  Draw both{turns, Draw::Legs::both};
  CHECK(both.turn(Role::prefill) == 0);
  CHECK(both.turn(Role::decode) == 0);
  CHECK(both.turn(Role::prefill) == 0);

  Draw prefill{turns, Draw::Legs::prefill};
  CHECK(prefill.turn(Role::prefill) == 1);
  Draw decode{turns, Draw::Legs::decode};
  CHECK(decode.turn(Role::decode) == 1);

  Draw next{turns, Draw::Legs::both};
  CHECK(next.turn(Role::decode) == 2);
  CHECK(next.turn(Role::prefill) == 2);
}

TEST_CASE("a call that asks for no turn uses none up") {
  TicketCounter turns;
  {
    const Draw unused{turns, Draw::Legs::both};
  }
  CHECK(Draw{turns, Draw::Legs::both}.turn(Role::prefill) == 0);
}

TEST_CASE("an undone turn is drawn again unless another call has drawn since") {
  TicketCounter turns;
  Draw first{turns, Draw::Legs::both};
  CHECK(first.turn(Role::prefill) == 0);
  first.undo();
  Draw second{turns, Draw::Legs::both};
  CHECK(second.turn(Role::prefill) == 0);
  Draw third{turns, Draw::Legs::prefill};
  CHECK(third.turn(Role::prefill) == 1);
  second.undo();  // too late
  CHECK(Draw{turns, Draw::Legs::both}.turn(Role::prefill) == 2);
}

TEST_CASE("a filtered call draws the turn of a leg only when that leg asks") {
  TicketCounter turns;
  Draw first{turns, Draw::Legs::each};
  CHECK(first.turn(Role::prefill) == 0);
  CHECK(first.turn(Role::prefill) == 0);
  Draw second{turns, Draw::Legs::each};
  CHECK(second.turn(Role::prefill) == 1);
  CHECK(second.turn(Role::decode) == 0);  // the first call left it
  CHECK(second.turn(Role::prefill) == 1);
}

TEST_CASE("a filtered call gives both turns back, or only the one that no other call has drawn since") {
  TicketCounter turns;
  Draw alone{turns, Draw::Legs::each};
  CHECK(alone.turn(Role::prefill) == 0);
  CHECK(alone.turn(Role::decode) == 0);
  alone.undo();
  Draw between{turns, Draw::Legs::each};
  CHECK(between.turn(Role::prefill) == 0);
  CHECK(Draw{turns, Draw::Legs::prefill}.turn(Role::prefill) == 1);
  CHECK(between.turn(Role::decode) == 0);
  between.undo();
  CHECK(Draw{turns, Draw::Legs::both}.turn(Role::prefill) == 2);
  CHECK(Draw{turns, Draw::Legs::both}.turn(Role::decode) == 1);
}

TEST_CASE("turns go on over 2^32, and one leg's do not touch the other's") {
  constexpr std::uint64_t wrap = std::uint64_t{1} << 32U;
  TicketCounter turns{wrap - 10};
  for (std::uint64_t i = 0; i < 5; ++i) CHECK(Draw{turns, Draw::Legs::prefill}.turn(Role::prefill) == wrap - 10 + i);
  for (std::uint64_t i = 0; i < 20; ++i) {
    Draw both{turns, Draw::Legs::both};
    CHECK(both.turn(Role::decode) == wrap - 10 + i);
    CHECK(both.turn(Role::prefill) == wrap - 5 + i);
  }
  turns.candidates_changed();
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::prefill) == wrap + 15);
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::decode) == wrap + 10);
}

TEST_CASE("a leg whose policy draws no turns does not disturb the other one's at 2^32") {
  constexpr std::uint64_t wrap = std::uint64_t{1} << 32U;
  TicketCounter turns{wrap - 5};
  for (std::uint64_t i = 0; i < 10; ++i) CHECK(Draw{turns, Draw::Legs::both}.turn(Role::decode) == wrap - 5 + i);
  TicketCounter decode_only{wrap - 1};
  CHECK(Draw{decode_only, Draw::Legs::decode}.turn(Role::decode) == wrap - 1);
  CHECK(Draw{decode_only, Draw::Legs::decode}.turn(Role::decode) == wrap);
}

TEST_CASE("turns far beyond 2^32 keep their high half") {
  constexpr std::uint64_t many = std::uint64_t{1} << 30U;
  TicketCounter turns{5 * many - 2};
  for (std::uint64_t i = 0; i < 4; ++i) CHECK(Draw{turns, Draw::Legs::both}.turn(Role::prefill) == 5 * many - 2 + i);
  CHECK(Draw::foreseen(turns).turn(Role::decode) == 5 * many + 2);
}

TEST_CASE("the candidates change, the origin of a leg is its next turn") {
  TicketCounter turns;
  static_cast<void>(Draw{turns, Draw::Legs::both}.turn(Role::prefill));
  for (int i = 0; i < 2; ++i) static_cast<void>(Draw{turns, Draw::Legs::decode}.turn(Role::decode));
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::decode) == 0);
  turns.candidates_changed();
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::decode) == 3);
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::prefill) == 1);
}
