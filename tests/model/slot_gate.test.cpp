// SPDX-License-Identifier: Apache-2.0
// The gate of a slot under every interleaving of three threads: requests ask, end and are taken back while the pool
// holds, probes and limits the endpoint.
#include "scheduled_atomic.hpp"

#include <pdroute/pool/detail/slot_gate.hpp>

namespace {

using model::check;
using pdroute::detail::Admission;
using pdroute::detail::AdmissionState;
using pdroute::detail::RequestShare;
using pdroute::detail::SlotCount;
using pdroute::detail::SlotGate;
using Mode = AdmissionState::Mode;

/// A count with its gate, and the ways in which `Slot` lets requests begin and end.
class Gated {
 public:
  struct Lease {
    bool held = false;
    Admission::Period period = {};
  };

  explicit Gated(std::uint32_t row_limit) : gate_(row_limit) {}

  Lease reserve() {
    if (count_.try_reserve() == SlotCount::Attempt::reserved) return {.held = true};
    const auto [attempt, period] = gate_.ask(count_, false);
    return {.held = attempt == SlotCount::Attempt::reserved, .period = period};
  }
  void fail(const Lease& lease) {
    if (gate_.admission().failed(lease.period)) gate_.follow(count_);
    end(lease);
  }
  void push_back(const Lease& lease) {
    if (gate_.admission().pushed_back(lease.period)) gate_.follow(count_);
    end(lease);
  }
  void cancel(const Lease& lease) {
    static_cast<void>(count_.release());
    if (!lease.period) return;
    if (gate_.admission().ended_without_word(*lease.period)) gate_.follow(count_);
    gate_.admission().over(*lease.period);
  }
  void undo(const Lease& lease) {
    static_cast<void>(count_.release());
    gate_.undone(lease.period);
  }
  // The endings alone; the rest follows with `settle`.
  void only_failed(const Lease& lease) { gate_.admission().failed(lease.period); }
  void only_pushed_back(const Lease& lease) { gate_.admission().pushed_back(lease.period); }
  void only_completed(const Lease& lease) { gate_.admission().completed(*lease.period); }
  void settle(const Lease& lease) {
    gate_.follow(count_);
    end(lease);
  }
  void hold() {
    gate_.admit(count_, [](auto& admission) { admission.hold(); });
  }
  void probe(std::uint32_t probes) {
    gate_.admit(count_, [&](auto& admission) { admission.probe(probes); });
  }
  void serve() {
    gate_.admit(count_, [](auto& admission) { admission.serve(false); });
  }
  void step() {
    gate_.admit(count_, [](auto& admission) { admission.step(false); });
  }
  void set_limit(std::uint32_t limit) { gate_.set_limit(count_, limit); }

  [[nodiscard]] std::uint32_t in_flight() const { return count_.in_flight(); }
  [[nodiscard]] AdmissionState state() const { return gate_.admission().state(); }
  /// What must hold when no request runs.
  void check_quiet() const {
    check(count_.in_flight() == 0, "in flight without leases");
    check(gate_.admission().marked() == 0, "a mark without a lease");
    check(count_.limit() == gate_.admission().limit_of_count(), "the count does not follow the gate");
  }

 private:
  void end(const Lease& lease) {
    if (lease.period) gate_.admission().over(*lease.period);
    static_cast<void>(count_.release());
  }

  SlotCount count_;
  SlotGate gate_;
};

/// A row lacks two failures. Two requests of it fail while a third completes.
class TwoFailAndOneCompletes {
 public:
  TwoFailAndOneCompletes() {
    slot_.fail(slot_.reserve());
    for (auto& lease : leases_) lease = slot_.reserve();
    check(slot_.state().row == 1 && leases_[2].period.has_value(), "a failure begins a row");
  }
  void first() { slot_.only_failed(leases_[0]); }
  void second() { slot_.only_failed(leases_[1]); }
  void third() { slot_.only_completed(leases_[2]); }
  void finish() {
    for (const auto& lease : leases_) slot_.settle(lease);
    slot_.check_quiet();
    const AdmissionState now = slot_.state();
    check(now.what() == Mode::open || (now.what() == Mode::held && now.row == 3), "an ending is lost");
  }

 private:
  Gated slot_{3};
  std::array<Gated::Lease, 3> leases_;
};

/// A failure closes the gate, while the pool opens it.
class FailsWhileTakenBack {
 public:
  void first() { slot_.fail(running_); }
  void second() { slot_.serve(); }
  void third() {}
  void finish() { slot_.check_quiet(); }

 private:
  Gated slot_{1};
  Gated::Lease running_ = slot_.reserve();
};

/// Two requests of a burst are pushed back at once. That is one back-off, and not one twice as long.
class TwoArePushedBack {
 public:
  TwoArePushedBack() {
    slot_.fail(slot_.reserve());  // from now on requests are marked
    for (auto& lease : leases_) lease = slot_.reserve();
  }
  void first() { slot_.only_pushed_back(leases_[0]); }
  void second() { slot_.only_pushed_back(leases_[1]); }
  void third() {}
  void finish() {
    for (const auto& lease : leases_) slot_.settle(lease);
    slot_.check_quiet();
    const AdmissionState now = slot_.state();
    check(now.what() == Mode::backing_off && now.left == 8, "a burst counts twice");
  }

 private:
  Gated slot_{3};
  std::array<Gated::Lease, 2> leases_;
};

/// The endpoint is probed, and two want to be the only probe. One of them is cancelled.
class OnlyOneProbe {
 public:
  OnlyOneProbe() { slot_.probe(1); }
  void first() {
    if (const auto lease = slot_.reserve(); lease.held) slot_.cancel(lease);
  }
  void second() { kept_ = slot_.reserve(); }
  void third() {}
  void after_each_step() { check(slot_.in_flight() <= 1, "more probes than allowed"); }
  void finish() {
    if (kept_.held) slot_.cancel(kept_);
    slot_.check_quiet();
    check(slot_.state().left == 1, "a probe is lost");
  }

 private:
  Gated slot_{0};
  Gated::Lease kept_;
};

/// A probe completes, while the pool holds the endpoint and probes it anew. The probe decides nothing then.
class ProbedAnew {
 public:
  ProbedAnew() {
    slot_.probe(1);
    earlier_ = slot_.reserve();
  }
  void first() { slot_.only_completed(earlier_); }
  void second() {
    slot_.hold();
    slot_.probe(1);
  }
  void third() {}
  void finish() {
    slot_.settle(earlier_);
    slot_.check_quiet();
    const AdmissionState now = slot_.state();
    check(now.what() == Mode::probing && now.left == 1 && now.proved == 0, "an earlier period decides");
  }

 private:
  Gated slot_{0};
  Gated::Lease earlier_;
};

/// A probe is taken back while the pool probes anew, and another request takes the probe of the later period.
class UndoneInALaterPeriod {
 public:
  UndoneInALaterPeriod() {
    slot_.probe(1);
    earlier_ = slot_.reserve();
    check(earlier_.held && slot_.state().left == 0, "a probe begins");
  }
  void first() { slot_.undo(earlier_); }
  void second() {
    slot_.probe(1);
    later_ = slot_.reserve();
    check(later_.held, "a probe is lost");
  }
  void third() {}
  void finish() {
    check(slot_.state().left == 0, "more probes than allowed");
    slot_.cancel(later_);
    slot_.check_quiet();
    check(slot_.state().left == 1, "a probe is lost");
  }

 private:
  Gated slot_{0};
  Gated::Lease earlier_;
  Gated::Lease later_;
};

/// A probe that was pushed back waits for the step of time, which comes while it ends.
class StepWhileAProbeEnds {
 public:
  StepWhileAProbeEnds() {
    slot_.probe(1);
    running_ = slot_.reserve();
  }
  void first() { slot_.push_back(running_); }
  void second() { slot_.step(); }
  void third() {}
  void after_each_step() { check(slot_.state().left <= 1, "more probes than allowed"); }
  void finish() {
    slot_.check_quiet();
    slot_.step();
    check(slot_.state().left == 1, "a probe is lost");
  }

 private:
  Gated slot_{0};
  Gated::Lease running_;
};

/// The limit is lowered to the number in flight while a thread reserves, which is let in by the gate.
template <bool watching>
class LimitIsLowered {
 public:
  LimitIsLowered() {
    if (watching) slot_.fail(slot_.reserve());
    running_ = slot_.reserve();
  }
  void first() {
    const auto lease = slot_.reserve();
    if (!lease.held) return;
    check(lowered_ == 0 || model::last_change() < lowered_, "a lease begins above the lowered limit");
    slot_.undo(lease);
  }
  void second() {
    slot_.set_limit(1);
    lowered_ = model::last_change();
  }
  void third() {}
  void finish() {
    slot_.undo(running_);
    slot_.check_quiet();
  }

 private:
  Gated slot_{3};
  Gated::Lease running_;
  std::size_t lowered_ = 0;
};

/// Three requests ask for a share of one half.
class HalfOfThree {
 public:
  HalfOfThree() { share_.set(0.5); }
  void first() { ask(); }
  void second() { ask(); }
  void third() { ask(); }
  void finish() {
    check(passed_ == 2, "another share passes");
    check(share_.share() == 0.5, "the share is lost");
  }

 private:
  void ask() {
    if (share_.ask()) ++passed_;
  }

  RequestShare share_;
  int passed_ = 0;
};

/// A request that passed is taken back while the share is raised and another asks.
class ShareIsRaised {
 public:
  ShareIsRaised() {
    share_.set(0.25);
    check(share_.ask(), "the first one passes");
  }
  void first() { share_.give_back(); }
  void second() { share_.set(0.5); }
  void third() { passed_ = share_.ask(); }
  void finish() {
    check(share_.share() == 0.5, "the share is lost");
    if (!passed_) check(share_.passes(), "a share given back is lost");
  }

 private:
  RequestShare share_;
  bool passed_ = false;
};

}  // namespace

int main() {
  model::explore<TwoFailAndOneCompletes>("two fail and one completes when a row is nearly full", 10);
  model::explore<FailsWhileTakenBack>("the gate closes and opens at once", 10);
  model::explore<TwoArePushedBack>("two are pushed back at once", 5);
  model::explore<OnlyOneProbe>("two want to be the only probe", 10);
  model::explore<ProbedAnew>("a probe completes while the endpoint is probed anew", 10);
  model::explore<UndoneInALaterPeriod>("a probe is taken back in a later period", 10);
  model::explore<StepWhileAProbeEnds>("time passes while a probe is pushed back", 10);
  model::explore<LimitIsLowered<false>>("the limit is lowered while one reserves", 10);
  model::explore<LimitIsLowered<true>>("the limit is lowered while one is let in with a mark", 10);
  model::explore<HalfOfThree>("three ask for a half", 6);
  model::explore<ShareIsRaised>("the share is raised while one is given back", 6);
}
