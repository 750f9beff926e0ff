// SPDX-License-Identifier: Apache-2.0
// What requests meet at the gate of one slot: limit, slow start, push-back and probes together.
#include <pdroute/pool/detail/slot_gate.hpp>
//
#include <cstdint>
#include <optional>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::Admission;
using pdroute::detail::SlotCount;
using pdroute::detail::SlotGate;

/// The count and the gate of one slot.
struct Gated {
  SlotCount count;
  SlotGate gate{3};
  std::optional<std::uint8_t> last;  // the mark of the request that began last

  /// Whether a request that asks begins.
  bool begins(bool anyway = false) {
    const SlotGate::Answer answer = gate.ask(count, anyway);
    if (answer.attempt != SlotCount::Attempt::reserved) return false;
    last = answer.period;
    return true;
  }
  /// The request that began last is taken back.
  void undo() {
    static_cast<void>(count.release());
    gate.undone(last);
  }
  void push_back() {
    gate.admit(count, [](Admission& admission) { admission.pushed_back(std::nullopt); });
  }
  void probe(std::uint32_t probes) {
    gate.admit(count, [=](Admission& admission) { admission.probe(probes); });
  }
};

}  // namespace

TEST_CASE("slot gate: a share below one makes every request ask, a whole one lets them pass again") {
  Gated slot;
  slot.gate.set_limit(slot.count, 5);
  CHECK(slot.count.limit() == 5);
  slot.gate.set_share(slot.count, 0.25);
  CHECK(slot.count.limit() == 0);
  slot.gate.set_share(slot.count, 1);
  CHECK(slot.count.limit() == 5);
}

TEST_CASE("slot gate: a request in slow start is taken back, the next one has its place") {
  Gated slot;
  slot.gate.set_share(slot.count, 0.25);
  REQUIRE(slot.begins());
  CHECK_FALSE(slot.begins());
  REQUIRE(slot.begins(true));  // no other endpoint is left
  slot.undo();
  CHECK(slot.begins());
  CHECK_FALSE(slot.begins());
}

TEST_CASE("slot gate: a probe is taken back, the next request is the probe") {
  Gated slot;
  slot.probe(1);
  REQUIRE(slot.begins());
  CHECK_FALSE(slot.begins());
  slot.undo();
  CHECK(slot.begins());
}

TEST_CASE("slot gate: a probe finds the slot full, the next request is the probe") {
  Gated slot;
  slot.gate.set_limit(slot.count, 1);
  REQUIRE(slot.count.try_reserve() == SlotCount::Attempt::reserved);
  slot.probe(1);
  CHECK_FALSE(slot.begins());
  static_cast<void>(slot.count.release());
  CHECK(slot.begins());
}

TEST_CASE("slot gate: slow start and a back-off at once, each request counts down the back-off and none is owed") {
  Gated slot;
  slot.gate.set_share(slot.count, 0.25);
  slot.push_back();
  for (int i = 0; i < 8; ++i) CHECK_FALSE(slot.begins());
  CHECK(slot.begins());
  CHECK_FALSE(slot.begins());
}

TEST_CASE("slot gate: probes do not ask for a share of slow start") {
  Gated slot;
  slot.gate.set_share(slot.count, 0.25);
  slot.probe(3);
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(slot.gate.holds_back(slot.count, false));
    CHECK(slot.begins());
  }
  CHECK_FALSE(slot.begins());
}

TEST_CASE("slot gate: a full slot has no room, whether requests ask or not") {
  Gated slot;
  slot.gate.set_limit(slot.count, 1);
  CHECK(slot.gate.has_room(slot.count));
  const bool asks = GENERATE(false, true);
  if (asks) slot.gate.set_share(slot.count, 0.5);
  REQUIRE((asks ? slot.begins() : slot.count.try_reserve() == SlotCount::Attempt::reserved));
  CHECK_FALSE(slot.gate.has_room(slot.count));
  static_cast<void>(slot.count.release());
  CHECK(slot.gate.has_room(slot.count));
}

TEST_CASE("slot gate: an endpoint that is left out has no room, rather than being held back") {
  Gated slot;
  slot.gate.admit(slot.count, [](Admission& admission) { admission.hold(); });
  CHECK_FALSE(slot.gate.has_room(slot.count));
  CHECK_FALSE(slot.gate.holds_back(slot.count, false));
  slot.probe(1);
  CHECK(slot.gate.has_room(slot.count));
  REQUIRE(slot.begins());
  CHECK_FALSE(slot.gate.has_room(slot.count));
  CHECK_FALSE(slot.gate.holds_back(slot.count, false));
}
