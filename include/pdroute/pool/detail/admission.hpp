// SPDX-License-Identifier: Apache-2.0
// Admission: which requests may begin on an endpoint that has failed or pushed back, and whose endings decide about it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The gate of one slot. As long as it is open, requests do not meet it. Otherwise the slot refuses every reservation as
/// full, and a request that is refused asks here. A request that is let in is marked with the number of the present
/// period. Only its ending decides: what began before, or in an earlier period, does not.
///
///     event                   | open        | watching            | backing_off           | held  | probing
///     ------------------------+-------------+---------------------+-----------------------+-------+----------------
///     a request asks          | let in      | let in              | each n-th is let in   | no    | while probes are left
///     a marked one completes  | -           | open                | open                  | -     | proved
///     a marked one fails      | -           | row + 1; held when  | watching              | -     | failed: no probes
///                             |             | the row is full     |                       |       | are left
///     another one fails       | watching,   | -                   | watching, row 1       | -     | -
///                             | row 1       |                     |                       |       |
///     a marked one pushes back| -           | backing_off         | n doubles             | -     | probe given back
///     another one pushes back | backing_off | -                   | -                     | -     | -
///     it ends otherwise       | -           | -                   | open, if marked       | -     | probe given back
///     it has given tokens     | -           | -                   | -                     | -     | proved
///
/// `Watching` means: a row of failures has begun. Before the first failure of a row nothing is marked, so endpoints that
/// work cost nothing. A new period begins with each row, each back-off and each probing, with a number that no running
/// lease has. If eight periods have running leases, the present number is used again.
///
/// The pool's lock guards `hold`, `probe`, `let_all_in` and `set_limit`; the others may be called from many threads at
/// once; lock-free. All accesses are relaxed: the word holds all there is, and the slot's count orders the rest.
class Admission {
 public:
  static constexpr std::uint32_t max_probes = 1023;
  static constexpr std::size_t periods = 8;
  static constexpr std::uint32_t max_row = (std::uint32_t{1} << 16U) - 1;

  enum class Mode : std::uint8_t { open, watching, backing_off, held, probing };

  /// All that there is, in one word.
  struct State {
    std::uint64_t limit : 22 = 0;  ///< of requests in flight
    std::uint64_t mode : 3 = 0;    ///< a `Mode`
    std::uint64_t period : 3 = 0;  ///< the number that marks the requests of now
    std::uint64_t row : 16 = 0;    ///< failures in a row; while backing off, requests to refuse before the next trial
    std::uint64_t left : 10 = 0;   ///< probes that may still begin; while backing off, how many are refused per trial
    std::uint64_t everybody : 1 = 0;  ///< held or probing, but all requests are let in
    std::uint64_t proved : 1 = 0;     ///< a probe has worked
    std::uint64_t failed : 1 = 0;     ///< a probe has failed
    std::uint64_t older : 1 = 0;      ///< requests may run that began before the endpoint was taken back
    std::uint64_t unused : 6 = 0;

    [[nodiscard]] Mode what() const noexcept { return static_cast<Mode>(mode); }
    void set(Mode next) noexcept { mode = static_cast<std::uint64_t>(next) & 7U; }
  };
  static_assert(sizeof(State) == sizeof(std::uint64_t));

  /// `row_limit` failures in a row close the gate; zero: failures are not watched.
  explicit Admission(std::uint32_t row_limit) noexcept : row_limit_(row_limit < max_row ? row_limit : max_row) {}

  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_relaxed); }
  /// The limit that the slot's count must have: zero unless every request is let in unseen.
  [[nodiscard]] std::uint32_t limit_of_count() const noexcept {
    const State now = state();
    return now.what() == Mode::open ? static_cast<std::uint32_t>(now.limit) : 0;
  }
  /// The limit on requests in flight.
  [[nodiscard]] std::uint32_t limit() const noexcept { return static_cast<std::uint32_t>(state().limit); }
  /// Whether a request that asks would be let in, if there is room.
  [[nodiscard]] bool admits() const noexcept {
    const State now = state();
    switch (now.what()) {
      case Mode::open:
      case Mode::watching: return true;
      case Mode::backing_off: return now.row == 0;
      case Mode::held: return now.everybody != 0;
      case Mode::probing: return now.everybody != 0 || now.left > 0;
    }
    return false;
  }
  /// Failures in the present row, or one if a probe has failed.
  [[nodiscard]] std::uint32_t row() const noexcept {
    const State now = state();
    if (now.what() == Mode::probing) return static_cast<std::uint32_t>(now.failed);
    return now.what() == Mode::backing_off ? 0 : static_cast<std::uint32_t>(now.row);
  }
  /// Whether a row of failures has closed the gate.
  [[nodiscard]] bool tripped() const noexcept { return state().what() == Mode::held && state().row > 0; }
  /// Running leases that are marked with the present period.
  [[nodiscard]] std::uint32_t running() const noexcept {
    return running_[state().period].load(std::memory_order_relaxed);
  }

  /// What a request is let in with.
  struct Permit {
    std::uint32_t limit = 0;                  ///< of requests in flight; zero: not let in
    std::optional<std::uint8_t> period = {};  ///< its mark
  };
  /// A request asks. It then either holds a lease, or calls `withdraw`. `anyway`: there is no other endpoint.
  [[nodiscard]] Permit ask(bool anyway) noexcept {
    for (;;) {
      State seen = state();
      if (seen.what() == Mode::open) return {.limit = static_cast<std::uint32_t>(seen.limit)};
      State next = seen;
      switch (seen.what()) {
        case Mode::backing_off:
          if (!anyway && seen.row > 0) {
            --next.row;
            if (change(seen, next)) return {};
            continue;
          }
          next.row = seen.left;
          break;
        case Mode::held:
          if (seen.everybody == 0 && !anyway) return {};
          break;
        case Mode::probing:
          if (seen.everybody == 0 && seen.left == 0) return {};
          if (seen.everybody == 0) --next.left;
          break;
        default: break;
      }
      // Counted first, so that no new period takes the number meanwhile.
      const auto period = static_cast<std::uint8_t>(seen.period);
      running_[period].fetch_add(1, std::memory_order_relaxed);
      if (change(seen, next)) return {.limit = static_cast<std::uint32_t>(seen.limit), .period = period};
      running_[period].fetch_sub(1, std::memory_order_relaxed);
    }
  }
  /// The request has not begun after all: gives back what `ask` took.
  void withdraw(std::uint8_t period) noexcept {
    give_back_probe(period);
    running_[period].fetch_sub(1, std::memory_order_relaxed);
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
        open(next);
      }
    });
  }
  /// The request has given tokens, and goes on.
  void progressed(std::uint8_t period) noexcept {
    update([&](State& next) {
      if (next.period == period && next.what() == Mode::probing) next.proved = 1;
    });
  }
  /// The request has failed. `period` is its mark, if it has one.
  bool failed(std::optional<std::uint8_t> period) noexcept {
    return update([&](State& next) {
      const bool counts = period && *period == next.period;
      switch (next.what()) {
        case Mode::open:
          if (!period && row_limit_ > 0) begin_row(next);
          break;
        case Mode::watching:
          if (counts && next.row == 0)
            begin_row(next);
          else if (counts)
            add_to_row(next);
          break;
        case Mode::backing_off:
          if (counts || !period) begin_row(next);
          break;
        case Mode::held: break;
        case Mode::probing:
          if (counts) {
            next.failed = 1;
            next.left = 0;
          }
          break;
      }
    });
  }
  /// The endpoint has refused the request for lack of room.
  bool pushed_back(std::optional<std::uint8_t> period) noexcept {
    const bool changed = update([&](State& next) {
      const bool counts = period && *period == next.period;
      if (next.what() == Mode::open ? !period : next.what() == Mode::watching && counts && next.row == 0) {
        begin_period(next);
        next.set(Mode::backing_off);
        next.left = first_back_off;
        next.row = first_back_off;
      } else if (next.what() == Mode::backing_off && counts) {
        next.left = next.left < max_back_off ? (next.left * 2U) & max_probes : max_back_off;
        next.row = next.left;
      }
    });
    if (period) give_back_probe(*period);
    return changed;
  }
  /// The request was cancelled, or rejected for its own fault: it says nothing of the endpoint.
  bool ended_without_word(std::uint8_t period) noexcept {
    give_back_probe(period);
    return update([&](State& next) {
      if (next.period == period && next.what() == Mode::backing_off) open(next);
    });
  }
  /// Nothing of a marked lease is left.
  void over(std::uint8_t period) noexcept { running_[period].fetch_sub(1, std::memory_order_relaxed); }

  // For the pool.

  /// Sets the limit on requests in flight.
  void set_limit(std::uint32_t limit) noexcept {
    update([&](State& next) { next.limit = limit & Capacity::max_requests; });
  }
  /// Refuses every request.
  void hold() noexcept {
    update([&](State& next) {
      next.set(Mode::held);
      next.row = 0;
      next.left = 0;
    });
  }
  /// From now on `probes` requests may begin.
  void probe(std::uint32_t probes) noexcept {
    update([&](State& next) {
      begin_period(next);
      next.set(Mode::probing);
      next.left = probes & max_probes;
    });
  }
  /// Whether a held or probed endpoint takes all requests, because others cannot.
  void let_everybody_in(bool everybody) noexcept {
    update([&](State& next) { next.everybody = everybody ? 1 : 0; });
  }
  /// Full service. If requests run that began before, goes on marking, so that their endings decide nothing.
  void serve(bool older_requests_run) noexcept {
    update([&](State& next) {
      next.older = older_requests_run ? 1 : 0;
      begin_period(next);
      open(next);
    });
  }
  /// A step of time: a trial is due after a push-back, and requests need no mark once all older ones have ended.
  void step(bool older_requests_run) noexcept {
    update([&](State& next) {
      if (next.what() == Mode::backing_off) next.row = 0;
      if (next.older == 0 || older_requests_run) return;
      next.older = 0;
      if (next.what() == Mode::watching && next.row == 0) open(next);
    });
  }
  /// Running leases with a mark.
  [[nodiscard]] std::uint32_t marked() const noexcept {
    std::uint32_t sum = 0;
    for (const auto& each : running_) sum += each.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::uint32_t first_back_off = 8;  // about an eighth of the first choices
  static constexpr std::uint32_t max_back_off = 512;

  void open(State& next) const noexcept {
    next.set(next.older != 0 ? Mode::watching : Mode::open);
    next.row = 0;
    next.left = 0;
    next.everybody = 0;
    next.proved = 0;
    next.failed = 0;
  }
  void begin_row(State& next) const noexcept {
    if (row_limit_ == 0) return open(next);
    begin_period(next);
    next.set(Mode::watching);
    next.left = 0;
    next.row = 0;
    add_to_row(next);
  }
  void add_to_row(State& next) const noexcept {
    ++next.row;
    if (next.row >= row_limit_) next.set(Mode::held);
  }
  /// Takes the next number that no running lease has.
  void begin_period(State& next) const noexcept {
    next.proved = 0;
    next.failed = 0;
    for (std::size_t i = 1; i < periods; ++i) {
      const auto candidate = (next.period + i) % periods;
      if (running_[candidate].load(std::memory_order_relaxed) > 0) continue;
      next.period = candidate & 7U;
      return;
    }
  }
  void give_back_probe(std::uint8_t period) noexcept {
    update([&](State& next) {
      if (next.period == period && next.what() == Mode::probing && next.everybody == 0 && next.failed == 0 &&
          next.left < max_probes)
        ++next.left;
    });
  }

  [[nodiscard]] bool change(State& seen, const State& next) noexcept {
    return state_.compare_exchange_weak(seen, next, std::memory_order_relaxed);
  }
  /// Applies `to` to the state. Returns whether anything has changed.
  template <class Change>
  bool update(const Change& to) noexcept {
    State seen = state();
    for (;;) {
      State next = seen;
      to(next);
      if (same(seen, next)) return false;
      if (change(seen, next)) return true;
    }
  }
  [[nodiscard]] static bool same(const State& a, const State& b) noexcept {
    return a.limit == b.limit && a.mode == b.mode && a.period == b.period && a.row == b.row && a.left == b.left &&
           a.everybody == b.everybody && a.proved == b.proved && a.failed == b.failed;
  }

  std::atomic<State> state_{State{.limit = Capacity::max_requests}};
  std::uint32_t row_limit_;
  std::array<std::atomic<std::uint32_t>, periods> running_{};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
