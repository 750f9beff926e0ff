// SPDX-License-Identifier: Apache-2.0
// RequestShare: lets a share of the requests that ask pass, evenly spread, without a clock or a draw.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Each request that asks adds the share to a sum; whenever the sum is full, one passes and the sum falls by a whole.
/// So of n requests, n times the share pass, within one. The first one passes.
///
/// Thread safety: all members may be called from many threads at once; lock-free. All accesses are relaxed: the word
/// holds all there is.
class RequestShare {
 public:
  /// Whether some requests do not pass.
  [[nodiscard]] bool limited() const noexcept { return share_in(load()) != whole; }
  /// The share, from more than 0 to 1.
  [[nodiscard]] double share() const noexcept { return static_cast<double>(share_in(load())) / whole; }
  /// Sets the share. Precondition: 0 < share <= 1.
  void set(double share) noexcept {
    const auto part = std::max(std::uint32_t{1}, static_cast<std::uint32_t>(share * whole));
    update([&](std::uint32_t now) {
      return share_in(now) == whole ? word_of(part, whole - part) : word_of(part, std::min(sum_in(now), whole - 1));
    });
  }
  /// Whether the next request passes.
  [[nodiscard]] bool passes() const noexcept {
    const std::uint32_t now = load();
    return sum_in(now) + share_in(now) >= whole;
  }
  /// A request asks. Returns whether it passes.
  [[nodiscard]] bool ask() noexcept {
    bool passed = true;
    update([&](std::uint32_t now) {
      const std::uint32_t sum = sum_in(now) + share_in(now);
      passed = sum >= whole;
      return word_of(share_in(now), passed ? sum - whole : sum);
    });
    return passed;
  }
  /// A request that saw that it would not pass has gone elsewhere.
  void passed_over() noexcept {
    update([](std::uint32_t now) {
      return word_of(share_in(now), std::min(sum_in(now) + share_in(now), whole - share_in(now)));
    });
  }
  /// A request that passed has not begun after all: the next one passes.
  void give_back() noexcept {
    update([](std::uint32_t now) { return word_of(share_in(now), whole - share_in(now)); });
  }

 private:
  static constexpr std::uint32_t whole = 1024;

  [[nodiscard]] static constexpr std::uint32_t share_in(std::uint32_t word) noexcept { return word & 0xffffU; }
  [[nodiscard]] static constexpr std::uint32_t sum_in(std::uint32_t word) noexcept { return word >> 16U; }
  [[nodiscard]] static constexpr std::uint32_t word_of(std::uint32_t share, std::uint32_t sum) noexcept {
    return share | sum << 16U;
  }
  [[nodiscard]] std::uint32_t load() const noexcept { return word_.load(std::memory_order_relaxed); }
  template <class Change>
  void update(const Change& to) noexcept {
    std::uint32_t now = load();
    for (;;) {
      const std::uint32_t next = to(now);
      if (next == now || word_.compare_exchange_weak(now, next, std::memory_order_relaxed)) return;
    }
  }

  std::atomic<std::uint32_t> word_{whole};  // low half: the share, in 1/1024; high half: the sum
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
