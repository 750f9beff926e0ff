// SPDX-License-Identifier: Apache-2.0
// ProbeBudget: how many requests may still try an endpoint that outlier detection has ejected.
#pragma once

#include <atomic>
#include <cstdint>
#include <pdroute/capacity.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The bound on probes, in one word: bits 0..21 the maximum number of leases at once while only probes may try the
/// endpoint, or zero while every request may; bits 22..31 the probes that may still begin.
///
///     operation    | open to all (limit 0)    | bounded, probes left    | bounded, no probe left
///     -------------+--------------------------+-------------------------+-----------------------
///     begin(limit) | bounded                  | new limit               | new limit
///     end          | open                     | open                    | open
///     allow(n)     | n probes, for the future | n probes left           | n probes left
///     take         | 0: no probe              | limit; one probe less   | 0: no probe
///     give_back    | no change                | one probe more          | one probe more
///
/// Thread safety: all members may be called from many threads at once; lock-free. All accesses are relaxed: the word
/// holds all there is, and the reservation that follows a `take` orders the rest.
class ProbeBudget {
 public:
  static constexpr std::uint32_t max_probes = 1023;

  /// From now on only probes may begin, and at most `limit` leases at once. Precondition: `limit` > 0.
  void begin(std::uint32_t limit) noexcept {
    change([limit](std::uint32_t word) { return (word & ~limit_bits) | limit; });
  }
  /// From now on every request may begin.
  void end() noexcept {
    change([](std::uint32_t word) { return word & ~limit_bits; });
  }
  /// Sets how many probes may still begin. Precondition: at most `max_probes`.
  void allow(std::uint32_t probes) noexcept {
    change([probes](std::uint32_t word) { return (word & limit_bits) | probes << probes_shift; });
  }

  /// The maximum number of leases at once while only probes may begin; zero while every request may.
  [[nodiscard]] std::uint32_t lease_limit() const noexcept {
    return word_.load(std::memory_order_relaxed) & limit_bits;
  }
  /// The maximum number of leases at once if a probe may begin, or else zero.
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_of(word_.load(std::memory_order_relaxed)); }
  /// Takes a probe and returns the limit on leases, or returns zero if no probe is left.
  [[nodiscard]] std::uint32_t take() noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (limit_of(word) > 0 && !word_.compare_exchange_weak(word, word - one_probe, std::memory_order_relaxed)) {
    }
    return limit_of(word);
  }
  /// Gives back a probe whose reservation came to nothing, while only probes may begin.
  void give_back() noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while ((word & limit_bits) != 0 &&
           !word_.compare_exchange_weak(word, word + one_probe, std::memory_order_relaxed)) {
    }
  }

 private:
  static constexpr unsigned probes_shift = 22;
  static constexpr std::uint32_t one_probe = std::uint32_t{1} << probes_shift;
  static constexpr std::uint32_t limit_bits = one_probe - 1;
  static_assert(limit_bits == Capacity::max_requests);

  [[nodiscard]] static std::uint32_t limit_of(std::uint32_t word) noexcept {
    return word >> probes_shift == 0 ? 0 : word & limit_bits;
  }
  template <class Change>
  void change(const Change& to) noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (!word_.compare_exchange_weak(word, to(word), std::memory_order_relaxed)) {
    }
  }

  std::atomic<std::uint32_t> word_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
