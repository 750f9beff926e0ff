// SPDX-License-Identifier: Apache-2.0
// Admission: which requests may begin on an endpoint that has failed or pushed back, and whose endings decide about it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/pool/detail/admission_state.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The gate of one slot. As long as it is open, requests do not meet it. Otherwise the slot refuses every reservation
/// as full, and a request that is refused asks here. A request that is let in is marked with the number of the present
/// period. Only its ending decides: what began before, or in an earlier period, does not. `AdmissionState` has the
/// table of what happens.
///
/// Thread safety: the pool's lock guards `set_limit`, `hold`, `probe`, `let_everybody_in`, `serve` and `step`; the
/// others may be called from many threads at once; lock-free.
class Admission {
 public:
  using State = AdmissionState;
  using Mode = State::Mode;
  using Period = std::optional<std::uint8_t>;  ///< the mark of a request, if it has one

  /// `row_limit` failures in a row close the gate; zero: failures are not watched.
  explicit Admission(std::uint32_t row_limit) noexcept
      : row_limit_(static_cast<std::uint16_t>(row_limit < State::max_row ? row_limit : State::max_row)) {}

  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_relaxed); }
  /// The limit that the slot's count must have: zero unless every request is let in unseen.
  [[nodiscard]] std::uint32_t limit_of_count() const noexcept {
    const State now = state();
    return now.what() == Mode::open ? static_cast<std::uint32_t>(now.limit) : 0;
  }
  /// The limit on requests in flight.
  [[nodiscard]] std::uint32_t limit() const noexcept { return static_cast<std::uint32_t>(state().limit); }
  /// Whether a request of this probing has begun.
  [[nodiscard]] bool probed() const noexcept { return state().tried != 0 || running(state().period) > 0; }
  /// Running leases that have a mark.
  [[nodiscard]] std::uint32_t marked() const noexcept {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < State::periods; ++i) sum += running(i);
    return sum;
  }
  /// Whether a request with this mark, or without one, began before the endpoint was last taken back. It then says
  /// nothing about the endpoint as it is now.
  [[nodiscard]] bool began_before_service(Period period) const noexcept {
    if (!period) return state().older != 0;
    return (before_service_.load(std::memory_order_relaxed) & 1U << *period) != 0;
  }

  /// What a request gets that asks.
  struct Permit {
    bool granted = false;
    Period period = {};  ///< its mark; none if the gate was open
  };
  /// A request asks. If it is granted a mark, it then either holds a lease or calls `withdraw`. `anyway`: there is no
  /// other endpoint.
  [[nodiscard]] Permit ask(bool anyway) noexcept {
    State seen = state_.load(std::memory_order_acquire);
    for (;;) {
      if (seen.refuses()) return {};
      State next = seen;
      switch (seen.what()) {
        case Mode::open: return {.granted = true};
        case Mode::watching: break;
        case Mode::backing_off:
          if (seen.left > 0 && !anyway) {
            --next.left;
            if (change(seen, next)) return {};
            continue;
          }
          next.wait();
          next.tried = 1;
          break;
        case Mode::held:
          if (seen.everybody == 0 && !anyway) return {};
          break;
        case Mode::probing:
          if (seen.everybody == 0) --next.left;
          break;
      }
      // Counted first, so that no new period takes the number meanwhile.
      const auto period = static_cast<std::uint8_t>(seen.period);
      running_[period].fetch_add(1, std::memory_order_relaxed);
      if (change(seen, next)) return {.granted = true, .period = period};
      over(period);
    }
  }
  /// A request with a filter, which asks only endpoints that admit it, has passed this one over.
  void passed_over() noexcept {
    update([](State& next) {
      if (next.what() == Mode::backing_off && next.left > 0) --next.left;
    });
  }
  /// The request has not begun after all: gives back what `ask` took.
  void withdraw(std::uint8_t period) noexcept {
    update([&](State& next) {
      if (next.period != period) return;
      if (next.what() == Mode::backing_off) next.left = 0;
      next.give_back_probe(probes_.load(std::memory_order_relaxed));
    });
    over(period);
  }

  // The endings of requests. Each but `failed` and `pushed_back` is called for marked ones only. All return whether the
  // limit of the count may have changed. `over` follows when nothing of the lease is left.

  /// The request has completed.
  bool completed(std::uint8_t period) noexcept {
    return update([&](State& next) {
      if (next.period != period) return;
      if (next.what() == Mode::probing) {
        next.proved = 1;
      } else if (next.what() == Mode::watching || next.what() == Mode::backing_off) {
        next.open();
      }
    });
  }
  /// The request has given tokens, and goes on.
  bool progressed(std::uint8_t period) noexcept {
    return update([&](State& next) {
      if (next.period != period) return;
      if (next.what() == Mode::probing) next.proved = 1;
      if (next.what() == Mode::backing_off) next.end_back_off();
    });
  }
  /// The request has failed.
  bool failed(Period period) noexcept {
    return update([&](State& next) {
      const bool counts = period && *period == next.period;
      switch (next.what()) {
        case Mode::open:
          if (!period && row_limit_ > 0) begin_row(next);
          break;
        case Mode::backing_off:
          if (row_limit_ == 0) {
            if (counts) next.open();
            break;
          }
          if (next.row == 0 && !period) begin_row(next);
          [[fallthrough]];
        case Mode::watching:
          if (!counts) break;
          if (next.row == 0) {
            begin_row(next);
          } else {
            next.add_to_row(row_limit_);
          }
          break;
        case Mode::held:
          if (counts && next.tripped() && next.row < State::max_row) ++next.row;
          break;
        case Mode::probing:
          if (counts) {
            next.failed = 1;
            next.left = 0;
          }
          break;
      }
    });
  }
  /// The endpoint has refused the request for lack of room. A probe that is refused gives its place back only with the
  /// next step of time, so that an endpoint that refuses at once does not get request after request.
  bool pushed_back(Period period) noexcept {
    return update([&](State& next) {
      const bool counts = period && *period == next.period;
      const Mode mode = next.what();
      if (mode == Mode::probing && counts) next.tried = 1;
      if (mode == Mode::open ? period.has_value() : !counts || (mode != Mode::watching && mode != Mode::backing_off))
        return;
      if (mode != Mode::backing_off && next.row == 0) begin_period(next);
      next.back_off_longer();
    });
  }
  /// The request was cancelled, or rejected for its own fault: it says nothing of the endpoint.
  bool ended_without_word(std::uint8_t period) noexcept {
    return update([&](State& next) {
      if (next.period != period) return;
      if (next.what() == Mode::backing_off) next.end_back_off();
      if (next.what() == Mode::probing) next.tried = 1;
      next.give_back_probe(probes_.load(std::memory_order_relaxed));
    });
  }
  /// Nothing of a marked lease is left.
  void over(std::uint8_t period) noexcept {
    // Release: a thread that then gives the number to a new period does so after this request's ending was judged.
    running_[period].fetch_sub(1, std::memory_order_release);
  }

  /// Sets the limit on requests in flight.
  void set_limit(std::uint32_t limit) noexcept {
    update([&](State& next) { next.limit = limit & Capacity::max_requests; });
  }
  /// Refuses every request.
  void hold() noexcept {
    update([&](State& next) {
      next.open();
      next.set(Mode::held);
    });
  }
  /// From now on `probes` requests may begin.
  void probe(std::uint32_t probes) noexcept {
    probes_.store(static_cast<std::uint16_t>(probes & State::max_probes), std::memory_order_relaxed);
    update([&](State& next) {
      next.open();
      begin_period(next);
      next.set(Mode::probing);
      next.left = probes & State::max_probes;
    });
  }
  /// Whether a held or probed endpoint takes all requests, because others cannot. When it no longer does, probes begin
  /// anew, beside those requests.
  void let_everybody_in(bool everybody) noexcept {
    update([&](State& next) {
      if ((next.everybody != 0) == everybody) return;
      next.everybody = everybody ? 1 : 0;
      if (everybody || next.what() != Mode::probing || next.failed != 0) return;
      const bool proved = next.proved != 0;
      begin_period(next);
      next.proved = proved ? 1 : 0;
      next.left = probes_.load(std::memory_order_relaxed) & State::max_probes;
    });
  }
  /// Full service. If requests run that began before, goes on marking, so that their endings decide nothing.
  void serve(bool older_requests_run) noexcept {
    unsigned before = 0;
    for (std::size_t i = 0; i < State::periods; ++i) before |= running(i) > 0 ? 1U << i : 0U;
    before_service_.store(static_cast<std::uint8_t>(before), std::memory_order_relaxed);
    update([&](State& next) {
      next.older = older_requests_run ? 1 : 0;
      begin_period(next);
      next.open();
    });
  }
  /// A step of time: a trial is due after a push-back, and requests need no mark once all older ones have ended.
  void step(bool older_requests_run) noexcept {
    update([&](State& next) {
      if (next.what() == Mode::backing_off) next.left = 0;
      if (next.what() == Mode::probing && next.failed == 0 && next.proved == 0)
        next.probes_run(running(next.period), probes_.load(std::memory_order_relaxed));
      if (next.older == 0 || older_requests_run) return;
      next.older = 0;
      if (next.what() == Mode::watching && next.row == 0) next.open();
    });
  }

 private:
  [[nodiscard]] std::uint32_t running(std::size_t period) const noexcept {
    return running_[period].load(std::memory_order_acquire);
  }
  void begin_row(State& next) noexcept {
    begin_period(next);
    next.row = 0;
    next.set(Mode::watching);
    next.add_to_row(row_limit_);
  }
  /// Takes the next number that no running lease has.
  void begin_period(State& next) noexcept {
    next.proved = 0;
    next.failed = 0;
    for (std::uint32_t i = 1; i < State::periods; ++i) {
      const std::uint32_t candidate = (static_cast<std::uint32_t>(next.period) + i) % State::periods;
      if (running(candidate) > 0) continue;
      next.period = candidate & 7U;
      before_service_.fetch_and(static_cast<std::uint8_t>(~(1U << candidate)), std::memory_order_relaxed);
      return;
    }
  }
  [[nodiscard]] bool change(State& seen, const State& next) noexcept {
    // Release and acquire: `running_` and the state are read in the order in which they were written.
    return state_.compare_exchange_weak(seen, next, std::memory_order_acq_rel, std::memory_order_acquire);
  }
  /// Applies `to` to the state. Returns whether anything has changed.
  template <class Change>
  bool update(const Change& to) noexcept {
    State seen = state_.load(std::memory_order_acquire);
    for (;;) {
      State next = seen;
      to(next);
      if (next.same_as(seen)) return false;
      if (change(seen, next)) return true;
    }
  }

  std::atomic<State> state_{State{}};
  std::uint16_t row_limit_;
  std::atomic<std::uint16_t> probes_{0};
  std::atomic<std::uint8_t> before_service_{0};  // by number: a period from before the endpoint was taken back
  std::array<std::atomic<std::uint32_t>, State::periods> running_{};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
