// SPDX-License-Identifier: Apache-2.0
// CappedSum: an atomic sum with a limit that reservations never exceed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <optional>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// An atomic sum with a limit. `try_add` never exceeds the limit; `grow` may.
/// Thread safety: all members may be called from many threads at once; lock-free.
class CappedSum {
 public:
  /// The sum now.
  [[nodiscard]] std::uint64_t value() const noexcept { return sum_.load(std::memory_order_relaxed); }
  /// Sets the limit, or removes it (nullopt). A sum above the limit stays.
  void set_limit(std::optional<std::uint64_t> limit) noexcept {
    limit_.store(limit.value_or(none), std::memory_order_relaxed);
  }
  /// The limit; none if there is no limit.
  [[nodiscard]] std::optional<std::uint64_t> limit() const noexcept {
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
    return limit == none ? std::nullopt : std::optional{limit};
  }
  /// Whether `try_add` would succeed now.
  [[nodiscard]] bool has_room(std::uint64_t amount) const noexcept { return fits(value(), amount); }
  /// Whether `try_add` would succeed if the sum were zero.
  [[nodiscard]] bool could_fit(std::uint64_t amount) const noexcept { return fits(0, amount); }

  // Relaxed throughout: only the sum matters here. `SlotCount` provides the memory ordering.

  /// Adds `amount`. If that would exceed the limit, adds nothing and returns false.
  [[nodiscard]] bool try_add(std::uint64_t amount) noexcept {
    std::uint64_t seen = value();
    do {
      if (!fits(seen, amount)) return false;
    } while (!sum_.compare_exchange_weak(seen, seen + amount, std::memory_order_relaxed));
    return true;
  }
  /// Adds `amount`, or as much of it as the type can hold; may exceed the limit. Returns what was added.
  std::uint64_t grow(std::uint64_t amount) noexcept {
    std::uint64_t seen = value();
    std::uint64_t added = 0;
    do {
      added = std::min(amount, none - seen);
    } while (!sum_.compare_exchange_weak(seen, seen + added, std::memory_order_relaxed));
    return added;
  }
  /// Subtracts what was added before.
  void subtract(std::uint64_t amount) noexcept { sum_.fetch_sub(amount, std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

  [[nodiscard]] bool fits(std::uint64_t sum, std::uint64_t amount) const noexcept {
    const std::uint64_t limit = limit_.load(std::memory_order_relaxed);
    return sum <= limit && amount <= limit - sum;
  }

  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> limit_{none};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
