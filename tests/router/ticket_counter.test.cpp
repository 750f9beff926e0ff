// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/detail/ticket_counter.hpp>

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

TEST_CASE("the candidates change, the origin of a leg is its next turn") {
  TicketCounter turns;
  static_cast<void>(Draw{turns, Draw::Legs::both}.turn(Role::prefill));
  for (int i = 0; i < 2; ++i) static_cast<void>(Draw{turns, Draw::Legs::decode}.turn(Role::decode));
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::decode) == 0);
  turns.candidates_changed();
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::decode) == 3);
  CHECK(Draw{turns, Draw::Legs::both}.origin(Role::prefill) == 1);
}
