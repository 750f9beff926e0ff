// SPDX-License-Identifier: Apache-2.0
// One word that says who still needs a slot: closed, pins, requests in flight.
#pragma once

#include <atomic>
#include <cstdint>

namespace pdroute::inline v0 {

/// The count of a slot, as one 64-bit word: bit 63 *closed*, bits 32..62 *pins* (the membership and every snapshot that
/// shows the slot), bits 0..31 *in flight* (leases).
///
/// Protocol. Whoever reserves holds a pin, so a slot without pins gains no leases. The slot is dead when pins and
/// leases are both zero; exactly one call of `release` or `unpin` returns true, to the thread that must then destroy
/// it. After `close` has returned, no reservation succeeds: when `in_flight()` then reads zero, it stays zero.
///
/// Thread safety: all members may be called from many threads at once; lock-free.
class SlotCount {
 public:
  SlotCount() = default;  // one pin: the membership
  SlotCount(const SlotCount&) = delete;
  SlotCount& operator=(const SlotCount&) = delete;

  /// Requests in flight: leases taken and not yet ended.
  [[nodiscard]] std::uint32_t in_flight() const noexcept {
    // Acquire: who reads zero after `close` also sees what the lease holders did.
    return static_cast<std::uint32_t>(word_.load(std::memory_order_acquire));
  }
  /// Whether new leases are refused, for good.
  [[nodiscard]] bool closed() const noexcept { return (word_.load(std::memory_order_acquire) & closed_bit) != 0; }

  /// Takes a lease unless closed, in one step. Precondition: the caller holds a pin.
  [[nodiscard]] bool try_reserve() noexcept {
    // Acquire: who is refused sees what was published before the slot was closed.
    std::uint64_t seen = word_.load(std::memory_order_acquire);
    do {
      if ((seen & closed_bit) != 0) return false;
    } while (!word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire));
    return true;
  }

  /// Ends a lease. True: the slot is dead and the caller destroys it.
  [[nodiscard]] bool release() noexcept {
    // Release: what the holder did happens before the destruction. Acquire: the destroyer sees it all.
    return (word_.fetch_sub(1, std::memory_order_acq_rel) & ~closed_bit) == 1;
  }

  /// Precondition: the caller holds a pin, or the lock under which the membership holds one.
  void pin() noexcept { word_.fetch_add(one_pin, std::memory_order_relaxed); }

  /// Ends a pin. True: the slot is dead and the caller destroys it.
  [[nodiscard]] bool unpin() noexcept {
    return (word_.fetch_sub(one_pin, std::memory_order_acq_rel) & ~closed_bit) == one_pin;
  }

  /// Refuses new leases from now on.
  void close() noexcept { word_.fetch_or(closed_bit, std::memory_order_acq_rel); }

 private:
  static constexpr std::uint64_t one_pin = std::uint64_t{1} << 32U;
  static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63U;

  std::atomic<std::uint64_t> word_{one_pin};
};

}  // namespace pdroute::inline v0
