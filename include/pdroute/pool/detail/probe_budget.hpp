// SPDX-License-Identifier: Apache-2.0
// How many requests may still try an endpoint that has failed too often.
#pragma once

#include <atomic>
#include <cstdint>
#include <pdroute/capacity.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// One word: bits 0..21 the most leases at once while only probes may try it, or zero while any_endpoint may; bits 22..31
/// the probes that may still begin.
/// Thread safety: all members may be called from many threads at once; lock-free.
class ProbeBudget {
 public:
  static constexpr std::uint32_t max_probes = 1023;

  /// Only probes from now on, and so many leases at once; `limit` > 0.
  void begin(std::uint32_t limit) noexcept {
    change([limit](std::uint32_t word) { return (word & ~limit_bits) | limit; });
  }
  /// AnyEndpoint from now on.
  void end() noexcept {
    change([](std::uint32_t word) { return word & ~limit_bits; });
  }
  /// So many probes may still begin; at most `max_probes`.
  void allow(std::uint32_t probes) noexcept {
    change([probes](std::uint32_t word) { return (word & limit_bits) | probes << probes_shift; });
  }

  /// The most leases at once if a probe may begin, or else zero.
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_of(word_.load(std::memory_order_relaxed)); }
  /// Takes a probe, and says under which limit, or zero: there is none.
  [[nodiscard]] std::uint32_t take() noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    while (limit_of(word) > 0 && !word_.compare_exchange_weak(word, word - one_probe, std::memory_order_relaxed)) {
    }
    return limit_of(word);
  }
  /// Gives back a probe that has not begun after all, if only probes may try it.
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
