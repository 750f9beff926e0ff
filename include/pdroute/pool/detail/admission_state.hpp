// SPDX-License-Identifier: Apache-2.0
// AdmissionState: what the gate of a slot knows, in one word, and what it says about the next request.
#pragma once

#include <cstdint>
#include <cstring>
#include <pdroute/capacity.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The state of an `Admission`, a plain value that is changed by compare-and-swap.
///
///     event                   | open        | watching            | backing_off           | held  | probing
///     ------------------------+-------------+---------------------+-----------------------+-------+------------------
///     a request asks          | let in      | let in              | let in after n others | no    | if one is left
///     a marked one completes  | -           | open                | open                  | -     | proved
///     a marked one fails      | -           | row + 1; held when  | row + 1: watching, or | row+1*| failed: no probes
///                             |             | the row is full     | held when it is full  |       | are left
///     another one fails       | watching,   | -                   | watching, row 1,      | -     | -
///                             | row 1       |                     | unless in a row       |       |
///     a marked one pushes back| -           | backing_off, n = 8  | n doubles             | -     | its probe waits
///     another one pushes back | backing_off | -                   | -                     | -     | -
///     a marked one ends       | -           | -                   | open; in a row:       | -     | probe given back
///     otherwise               |             |                     | watching              |       |
///     it has given tokens     | -           | -                   | as above              | -     | proved
///     a step of time          | -           | -                   | next one is let in    | -     | those that waited
///                             |             |                     |                       |       | are given back
///
/// `Watching` means: a row of failures has begun. Before the first failure of a row nothing is marked, so endpoints
/// that work cost nothing. While backing off, n requests are refused before each trial: 8, and twice as many, up to
/// 512, each time that one is pushed back after a trial has begun. A back-off in the middle of a row keeps the row. A
/// new period begins with each row, each back-off outside of a row, each probing, and when probes are bounded again,
/// with a number that no running lease has. If eight periods have running leases, the present number is used again.
///
/// *: if a row has closed the gate. A request for which no other endpoint is left is let in also while the gate is held
/// by a row, or backing off.
struct AdmissionState {
  enum class Mode : std::uint8_t { open, watching, backing_off, held, probing };

  static constexpr std::uint32_t max_probes = 1023;
  static constexpr std::uint32_t max_row = (std::uint32_t{1} << 16U) - 1;
  static constexpr std::uint32_t periods = 8;
  static constexpr std::uint32_t max_back_off = 7;  ///< 512 requests

  std::uint64_t limit : 22 = Capacity::max_requests;  ///< of requests in flight
  std::uint64_t mode : 3 = 0;                         ///< a `Mode`
  std::uint64_t period : 3 = 0;                       ///< the number that marks the requests of now
  std::uint64_t row : 16 = 0;                         ///< failures in a row
  std::uint64_t left : 10 = 0;  ///< probes that may begin; while backing off, requests to refuse before the next trial
  std::uint64_t back_off : 3 = 0;   ///< how long the back-off is: 2^(this + 2) requests; zero: none
  std::uint64_t everybody : 1 = 0;  ///< although held or probed, takes all requests, because others cannot
  std::uint64_t proved : 1 = 0;     ///< a probe has worked
  std::uint64_t failed : 1 = 0;     ///< a probe has failed
  std::uint64_t older : 1 = 0;      ///< requests without a mark may run that began before the endpoint was taken back
  std::uint64_t tried : 1 = 0;      ///< a probe has ended, or a trial begun since the last push-back
  std::uint64_t unused : 2 = 0;

  [[nodiscard]] Mode what() const noexcept { return static_cast<Mode>(mode); }
  void set(Mode next) noexcept { mode = static_cast<std::uint64_t>(next) & 7U; }
  [[nodiscard]] bool same_as(const AdmissionState& other) const noexcept {
    return std::memcmp(this, &other, sizeof(AdmissionState)) == 0;
  }

  /// Whether a request that asks would be let in, if there is room.
  [[nodiscard]] bool admits() const noexcept {
    switch (what()) {
      case Mode::open:
      case Mode::watching: return true;
      case Mode::backing_off: return left == 0;
      case Mode::held: return everybody != 0;
      case Mode::probing: return everybody != 0 || left > 0;
    }
    return false;
  }
  /// Whether nothing is let in, also if there is no other endpoint: ejected, or no probe left.
  [[nodiscard]] bool refuses() const noexcept {
    return !admits() && (what() == Mode::probing || (what() == Mode::held && !tripped()));
  }
  /// Whether a row of failures has closed the gate.
  [[nodiscard]] bool tripped() const noexcept { return what() == Mode::held && row > 0; }

  /// In full service, with nothing known. Goes on marking while older requests run, so that they decide nothing.
  void open() noexcept {
    set(older != 0 ? Mode::watching : Mode::open);
    row = 0;
    left = 0;
    back_off = 0;
    tried = 0;
    proved = 0;
    failed = 0;
  }
  /// One more failure of a row that fills at `row_limit`.
  void add_to_row(std::uint32_t row_limit) noexcept {
    ++row;
    end_back_off();
    if (row >= row_limit) set(Mode::held);
  }
  /// The endpoint is passed over for 8 requests, or for twice as many as the last time, up to 512.
  void back_off_longer() noexcept {
    if (what() == Mode::backing_off && tried == 0) return;  // others of the same burst
    set(Mode::backing_off);
    if (back_off < max_back_off) ++back_off;
    wait();
    tried = 0;
  }
  /// As many requests as this back-off is long must pass before the next trial.
  void wait() noexcept { left = (std::uint64_t{4} << back_off) & max_probes; }
  /// Requests are let in again; a row of failures goes on.
  void end_back_off() noexcept {
    back_off = 0;
    left = 0;
    tried = 0;
    if (row > 0) {
      set(Mode::watching);
    } else {
      open();
    }
  }
  /// A request of this period, maybe a probe, has ended without a word.
  void give_back_probe(std::uint32_t probes) noexcept {
    if (what() == Mode::probing && failed == 0 && left < probes) ++left;
  }
  /// So many probes run of `probes`: gives back those that were pushed back.
  void probes_run(std::uint32_t running, std::uint32_t probes) noexcept {
    if (running + left < probes) left = (probes - running) & max_probes;
  }
};
static_assert(sizeof(AdmissionState) == sizeof(std::uint64_t), "pdroute: one word, so that one step changes all");

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
