// SPDX-License-Identifier: Apache-2.0
// The state table of AdmissionState, row by row.
#include <pdroute/pool/detail/admission.hpp>
//
#include <cstdint>
#include <optional>
#include <string>

#include "catch2_compat.hpp"

namespace {

using pdroute::detail::Admission;
using Mode = Admission::Mode;
using Mark = std::uint8_t;

/// A gate that closes after three failures in a row.
struct Gate : Admission {
  Gate() : Admission(3) {}

  /// A request is let in; returns its mark.
  Mark let_in(bool anyway = false) {
    const Permit permit = ask(anyway);
    REQUIRE(permit.granted);
    REQUIRE(permit.period);
    return *permit.period;
  }
  [[nodiscard]] bool refuses(bool anyway = false) { return !ask(anyway).granted; }
  void fail_marked() {
    end(let_in(true), [this](Mark mark) { failed(mark); });
  }
  void push_back_marked() {
    end(let_in(true), [this](Mark mark) { pushed_back(mark); });
  }
  template <class How>
  void end(Mark mark, const How& how) {
    how(mark);
    over(mark);
  }
  /// How many requests are refused before one is let in, which then ends by `how`.
  template <class How>
  int refused_before_trial(const How& how) {
    int refused = 0;
    for (;; ++refused) {
      const Permit permit = ask(false);
      if (!permit.granted) continue;
      end(permit.period.value(), how);
      return refused;
    }
  }

  void to(Mode mode) {
    switch (mode) {
      case Mode::open: break;
      case Mode::watching: failed(std::nullopt); break;
      case Mode::backing_off: pushed_back(std::nullopt); break;
      case Mode::held:
        to(Mode::watching);
        fail_marked();
        fail_marked();
        break;
      case Mode::probing: probe(2); break;
    }
    REQUIRE(what() == mode);
  }
  [[nodiscard]] Mode what() const { return state().what(); }
  [[nodiscard]] std::uint64_t row() const { return state().row; }
};

}  // namespace

TEST_CASE(
    "admission: open, requests meet no gate, an unmarked failure begins a row, an unmarked push-back a back-off") {
  Gate gate;
  CHECK(gate.limit_of_count() == pdroute::Capacity::max_requests);
  CHECK(gate.ask(false).granted);
  CHECK_FALSE(gate.ask(false).period);
  SECTION("fails") {
    CHECK(gate.failed(std::nullopt));
    CHECK(gate.what() == Mode::watching);
    CHECK(gate.row() == 1);
  }
  SECTION("pushes back") {
    CHECK(gate.pushed_back(std::nullopt));
    CHECK(gate.what() == Mode::backing_off);
  }
  SECTION("a request of an earlier period decides nothing") {
    gate.failed(std::nullopt);
    const Mark before = gate.let_in();
    const Mark other = gate.let_in();
    gate.end(gate.let_in(), [&](Mark mark) { gate.completed(mark); });
    REQUIRE(gate.what() == Mode::open);
    CHECK_FALSE(gate.failed(before));
    CHECK_FALSE(gate.pushed_back(other));
    CHECK(gate.what() == Mode::open);
  }
  CHECK((gate.what() == Mode::open) == (gate.limit_of_count() > 0));
}

TEST_CASE("admission: watching, marked failures fill the row, a marked completion ends it") {
  Gate gate;
  gate.to(Mode::watching);
  const Mark early = gate.let_in();
  SECTION("a full row closes the gate") {
    gate.fail_marked();
    CHECK(gate.what() == Mode::watching);
    CHECK_FALSE(gate.state().tripped());
    gate.fail_marked();
    CHECK(gate.what() == Mode::held);
    CHECK(gate.state().tripped());
    CHECK(gate.refuses());
  }
  SECTION("a completion") {
    gate.completed(early);
    CHECK(gate.what() == Mode::open);
    CHECK(gate.row() == 0);
  }
  SECTION("what began before the row decides nothing") {
    gate.failed(std::nullopt);
    gate.pushed_back(std::nullopt);
    CHECK(gate.what() == Mode::watching);
    CHECK(gate.row() == 1);
  }
  SECTION("cancels, rejections and tokens say nothing") {
    gate.ended_without_word(early);
    gate.progressed(early);
    CHECK(gate.what() == Mode::watching);
    CHECK(gate.row() == 1);
  }
  SECTION("a marked push-back begins a back-off that keeps the row") {
    gate.push_back_marked();
    CHECK(gate.what() == Mode::backing_off);
    gate.fail_marked();
    CHECK(gate.what() == Mode::watching);
    gate.push_back_marked();
    gate.fail_marked();
    CHECK(gate.what() == Mode::held);
  }
}

TEST_CASE("admission: backing off, each trial that is pushed back doubles the requests that are refused") {
  Gate gate;
  gate.to(Mode::backing_off);
  const auto push_back = [&](Mark mark) { gate.pushed_back(mark); };
  for (const int refused : {8, 16, 32, 64, 128, 256, 512, 512}) CHECK(gate.refused_before_trial(push_back) == refused);
  CHECK(gate.refuses());
  gate.step(false);
  CHECK(gate.refused_before_trial(push_back) == 0);  // a step of time makes a trial due
  CHECK(gate.refused_before_trial([&](Mark mark) { gate.completed(mark); }) == 512);
  CHECK(gate.what() == Mode::open);
  gate.to(Mode::backing_off);  // begins anew
  CHECK(gate.refused_before_trial(push_back) == 8);
}

TEST_CASE("admission: backing off, a trial has begun and not ended, as many requests again are refused") {
  Gate gate;
  gate.to(Mode::backing_off);
  gate.step(false);
  gate.let_in();
  for (int i = 0; i < 8; ++i) CHECK(gate.refuses());
  CHECK_FALSE(gate.refuses());
}

TEST_CASE("admission: a back-off in a row is over, the next one is as short as the first") {
  Gate gate;
  gate.to(Mode::watching);
  gate.push_back_marked();
  gate.end(gate.let_in(true), [&](Mark mark) { gate.ended_without_word(mark); });
  REQUIRE(gate.what() == Mode::watching);
  gate.push_back_marked();
  CHECK(gate.refused_before_trial([](Mark) {}) == 8);
}

TEST_CASE("admission: backing off, what the trial does") {
  Gate gate;
  const bool in_a_row = GENERATE(false, true);
  if (in_a_row) {
    gate.to(Mode::watching);
    gate.push_back_marked();
  } else {
    gate.to(Mode::backing_off);
  }
  const Mode out = in_a_row ? Mode::watching : Mode::open;
  const Mark trial = gate.let_in(true);
  SECTION("ends without a word") {
    gate.ended_without_word(trial);
    CHECK(gate.what() == out);
    CHECK(gate.row() == (in_a_row ? 1U : 0U));
  }
  SECTION("gives tokens") {
    CHECK(gate.progressed(trial));
    CHECK(gate.what() == out);
  }
  SECTION("fails") {
    gate.failed(trial);
    CHECK(gate.what() == Mode::watching);
    CHECK(gate.row() == (in_a_row ? 2U : 1U));
  }
  SECTION("has not begun after all") {
    gate.withdraw(trial);
    CHECK(gate.ask(false).granted);
  }
  SECTION("two are pushed back: the length doubles once") {
    gate.step(false);
    const Mark other = gate.let_in();
    gate.pushed_back(trial);
    gate.pushed_back(other);
    CHECK(gate.refused_before_trial([](Mark) {}) == 16);
  }
}

TEST_CASE("admission: backing off, requests that began before it decide as they did before") {
  Gate gate;
  gate.to(Mode::backing_off);
  gate.pushed_back(std::nullopt);
  CHECK(gate.refused_before_trial([](Mark) {}) == 8);
  gate.failed(std::nullopt);
  CHECK(gate.what() == Mode::watching);
  CHECK(gate.row() == 1);
  gate.push_back_marked();
  gate.failed(std::nullopt);  // in a row, they do not even do that
  CHECK(gate.what() == Mode::backing_off);
  CHECK(gate.row() == 1);
}

TEST_CASE("admission: a request with a filter that passes the endpoint over counts down its back-off") {
  Gate gate;
  gate.to(Mode::backing_off);
  for (int i = 0; i < 8; ++i) {
    CHECK_FALSE(gate.state().admits());
    gate.passed_over();
  }
  CHECK(gate.state().admits());
}

TEST_CASE("admission: held by a row, only a request without another endpoint is let in, and decides nothing") {
  Gate gate;
  gate.to(Mode::held);
  CHECK(gate.refuses());
  const Mark one = gate.let_in(true);
  gate.completed(one);
  CHECK(gate.what() == Mode::held);
  gate.failed(one);
  CHECK(gate.row() == 4);  // the more, the sooner is it ejected
  gate.let_everybody_in(true);
  CHECK_FALSE(gate.refuses());
  gate.let_everybody_in(false);
  CHECK(gate.refuses());
}

TEST_CASE("admission: held by the pool, nothing is let in unless all are") {
  Gate gate;
  gate.to(Mode::held);
  gate.hold();
  CHECK(gate.refuses());
  CHECK(gate.refuses(true));
  gate.let_everybody_in(true);
  gate.end(gate.let_in(), [&](Mark mark) { gate.failed(mark); });
  CHECK(gate.what() == Mode::held);
  CHECK_FALSE(gate.state().tripped());
}

TEST_CASE("admission: probing, as many as allowed may run, and their endings decide") {
  Gate gate;
  gate.to(Mode::watching);
  const Mark before = gate.let_in();
  gate.hold();
  gate.to(Mode::probing);
  const Mark probe = gate.let_in();
  const Mark other = gate.let_in();
  CHECK(probe != before);
  CHECK(gate.refuses());
  CHECK(gate.refuses(true));
  SECTION("completes, and does not give its place to another") {
    gate.end(probe, [&](Mark mark) { gate.completed(mark); });
    CHECK(gate.state().proved == 1);
    CHECK(gate.refuses());
    gate.step(false);
    CHECK(gate.refuses());
  }
  SECTION("gives tokens") {
    gate.progressed(probe);
    CHECK(gate.state().proved == 1);
  }
  SECTION("fails: no more begin, also if another is cancelled") {
    gate.end(probe, [&](Mark mark) { gate.failed(mark); });
    CHECK(gate.state().failed == 1);
    gate.end(other, [&](Mark mark) { gate.ended_without_word(mark); });
    gate.step(false);
    CHECK(gate.refuses());
  }
  SECTION("is cancelled or rejected: gives its place to another") {
    gate.end(probe, [&](Mark mark) { gate.ended_without_word(mark); });
    CHECK_FALSE(gate.refuses());
    CHECK(gate.refuses());
  }
  SECTION("is undone: gives its place to another") {
    gate.withdraw(probe);
    CHECK_FALSE(gate.refuses());
    CHECK(gate.refuses());
  }
  SECTION("is pushed back: its place is free with the next step of time") {
    gate.end(probe, [&](Mark mark) { gate.pushed_back(mark); });
    CHECK(gate.refuses());
    gate.step(false);
    CHECK_FALSE(gate.refuses());
    CHECK(gate.refuses());
  }
  SECTION("a request from before decides nothing") {
    gate.failed(before);
    gate.failed(std::nullopt);
    gate.completed(before);
    gate.progressed(before);
    gate.ended_without_word(before);
    gate.pushed_back(std::nullopt);
    CHECK(gate.state().proved == 0);
    CHECK(gate.state().failed == 0);
    CHECK(gate.refuses());
  }
}

TEST_CASE("admission: a probe fails, the one that is left does not begin") {
  Gate gate;
  gate.to(Mode::probing);
  gate.end(gate.let_in(), [&](Mark mark) { gate.failed(mark); });
  CHECK(gate.refuses());
}

TEST_CASE("admission: a back-off is a period of its own") {
  Gate gate;
  gate.to(Mode::watching);
  const Mark earlier = gate.let_in();
  const Mark other = gate.let_in();
  gate.completed(other);
  gate.to(Mode::backing_off);
  gate.pushed_back(earlier);
  gate.completed(other);
  CHECK(gate.what() == Mode::backing_off);
  CHECK(gate.let_in(true) != earlier);
}

TEST_CASE("admission: held by the pool or a row, failures of earlier periods do not count") {
  Gate gate;
  gate.to(Mode::watching);
  const Mark earlier = gate.let_in();
  gate.completed(gate.let_in());
  gate.to(Mode::held);
  gate.failed(earlier);
  gate.failed(std::nullopt);
  CHECK(gate.row() == 3);
}

TEST_CASE("admission: probes that are unbounded for a while are bounded again") {
  Gate gate;
  gate.to(Mode::probing);
  gate.let_everybody_in(true);
  std::optional<Mark> last;
  for (int i = 0; i < 10; ++i) last = gate.let_in();
  gate.let_everybody_in(false);
  for (int i = 0; i < 2; ++i) CHECK_FALSE(gate.refuses());
  CHECK(gate.refuses());
  for (int i = 0; i < 10; ++i) gate.end(*last, [&](Mark mark) { gate.ended_without_word(mark); });
  CHECK(gate.refuses());
}

TEST_CASE("admission: back in service, requests from before are told apart until the last has ended") {
  Gate gate;
  gate.to(Mode::watching);
  const Mark marked = gate.let_in();
  gate.serve(true);
  CHECK(gate.what() == Mode::watching);
  CHECK(gate.row() == 0);
  CHECK(gate.began_before_service(std::nullopt));
  CHECK(gate.began_before_service(marked));
  gate.failed(std::nullopt);
  gate.failed(marked);
  CHECK(gate.row() == 0);
  const Mark later = gate.let_in();
  CHECK_FALSE(gate.began_before_service(later));
  gate.failed(later);
  CHECK(gate.row() == 1);
  gate.step(true);
  gate.end(gate.let_in(), [&](Mark mark) { gate.completed(mark); });
  CHECK(gate.what() == Mode::watching);
  gate.step(false);
  CHECK(gate.what() == Mode::open);
  CHECK_FALSE(gate.began_before_service(std::nullopt));
}

TEST_CASE("admission: a number is used again only when none of its requests runs") {
  Gate gate;
  gate.to(Mode::watching);
  const Mark first = gate.let_in();
  for (int i = 0; i < 20; ++i) {
    gate.serve(false);
    gate.to(Mode::watching);
    CHECK(gate.state().period != first);
  }
  CHECK(gate.marked() == 1);
  gate.over(first);
  CHECK(gate.marked() == 0);
}

TEST_CASE("admission: failures are not watched, push-back still is, and only a trial ends it") {
  Admission gate{0};
  gate.failed(std::nullopt);
  CHECK(gate.state().what() == Mode::open);
  gate.pushed_back(std::nullopt);
  CHECK(gate.state().what() == Mode::backing_off);
  gate.failed(std::nullopt);
  CHECK(gate.state().what() == Mode::backing_off);
  const auto trial = gate.ask(true).period.value();
  gate.failed(trial);
  CHECK(gate.state().what() == Mode::open);
}

TEST_CASE("admission: more requests run than probes are allowed, a step of time gives no probe back") {
  Admission admission{0};
  admission.probe(1);
  CHECK(admission.ask(false).granted);
  admission.let_everybody_in(true);
  for (int i = 0; i < 2; ++i) CHECK(admission.ask(false).granted);
  admission.step(false);
  CHECK(admission.state().left == 0);
}

TEST_CASE("admission: the only probe is pushed back, the endpoint has been probed all the same") {
  Admission admission{0};
  admission.probe(1);
  CHECK_FALSE(admission.probed());
  const auto permit = admission.ask(false);
  admission.pushed_back(permit.period);
  admission.over(permit.period.value());
  CHECK(admission.probed());
}

TEST_CASE("admission: the only probe is cancelled, the endpoint has been probed all the same") {
  Admission admission{0};
  admission.probe(1);
  const auto permit = admission.ask(false);
  admission.ended_without_word(permit.period.value());
  admission.over(permit.period.value());
  CHECK(admission.probed());
}

TEST_CASE("admission: a trial of a back-off says nothing of a later probing") {
  Gate gate;
  gate.to(Mode::backing_off);
  gate.over(gate.let_in(true));
  gate.hold();
  gate.probe(1);
  CHECK_FALSE(gate.probed());
}

TEST_CASE("admission: probes are bounded again, what they have shown still counts") {
  Gate gate;
  gate.to(Mode::probing);
  const Mark probe = gate.let_in();
  const bool proved = GENERATE(false, true);
  if (proved) {
    gate.completed(probe);
  } else {
    gate.failed(probe);
  }
  gate.let_everybody_in(true);
  gate.let_everybody_in(false);
  CHECK(gate.state().proved == (proved ? 1U : 0U));
  CHECK(gate.state().failed == (proved ? 0U : 1U));
  CHECK(gate.refuses() == !proved);
}

TEST_CASE("admission: back in service, a row of new failures goes on when the last older request has ended") {
  Gate gate;
  gate.serve(true);
  gate.end(gate.let_in(), [&](Mark mark) { gate.failed(mark); });
  REQUIRE(gate.row() == 1);
  gate.step(false);
  CHECK(gate.what() == Mode::watching);
  CHECK(gate.row() == 1);
}

TEST_CASE("admission: a number from before service is given again, its new requests are not from before") {
  Gate gate;
  gate.to(Mode::watching);
  const Mark before = gate.let_in();
  gate.serve(false);
  REQUIRE(gate.began_before_service(before));
  gate.over(before);
  bool again = false;
  for (int i = 0; i < 8; ++i) {
    gate.to(Mode::watching);
    const Mark later = gate.let_in();
    again = again || later == before;
    CHECK_FALSE(gate.began_before_service(later));
    gate.end(later, [&](Mark mark) { gate.completed(mark); });
  }
  CHECK(again);
}

TEST_CASE("admission: a full row of the longest kind is not counted beyond its field") {
  Admission admission{Admission::State::max_row};
  admission.failed(std::nullopt);
  for (std::uint32_t i = 1; i < Admission::State::max_row + 10; ++i) {
    const auto period = admission.ask(true).period.value();
    admission.failed(period);
    admission.over(period);
  }
  CHECK(admission.state().row == Admission::State::max_row);
  CHECK(admission.state().tripped());
}
