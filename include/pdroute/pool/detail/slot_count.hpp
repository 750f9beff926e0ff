// SPDX-License-Identifier: Apache-2.0
// SlotCount: how many leases and pins a slot has, and how many reservations it has ever had, without a lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <pdroute/capacity.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The reference count and the request count of a slot, in one 64-bit word: bits 0..21 *in flight* (leases), bit 22
/// *closed*, bits 23..42 *pins* (the membership and every snapshot that shows the slot), bits 43..63 *reserved so far*,
/// which overflows off the top.
///
///     operation    | open, below the limit       | open, at the limit | closed
///     -------------+-----------------------------+--------------------+---------------------
///     try_reserve  | in flight + 1: `reserved`   | `full`             | `closed`
///     release      | in flight - 1; dead if nothing is left           | the same
///     pin          | pins + 1                    | pins + 1           | pins + 1
///     unpin        | pins - 1; dead if nothing is left                | the same
///     close        | closed                      | closed             | no change
///     reopen       | no change                   | no change          | open
///     set_limit    | no later success passes the new limit            | no effect
///
/// Dead means that pins and leases are both zero. No operation leads out of that state. An open slot is never dead,
/// because the membership pins it; so an end of a lease looks at the other bits only if the slot is closed.
///
/// Pins that have reached 2^19 never fall again, and stop rising well before their bits are full: so many snapshots at
/// once, which idle dispatchers or the caller would have to hold, cannot be counted, so the slot is never destroyed.
///
/// Guarantees.
/// - Exactly one call of `release` or `unpin` returns true. Its thread must destroy the slot.
/// - After `close` has returned, no reservation succeeds until `reopen`: once `in_flight()` then reads zero, it stays
///   zero.
/// - No reservation takes `in_flight()` above the limit, also not one that had read a higher limit before `set_limit`
///   returned.
/// - A thread that reserves holds a pin, so a slot without pins gains no leases.
///
/// Thread safety: all members may be called from many threads at once; lock-free.
class SlotCount {
 public:
  enum class Attempt : std::uint8_t { reserved, full, closed };

  SlotCount() = default;  // one pin: the membership; no limit
  SlotCount(const SlotCount&) = delete;
  SlotCount& operator=(const SlotCount&) = delete;

  /// Requests in flight: leases taken and not yet ended.
  [[nodiscard]] std::uint32_t in_flight() const noexcept {
    // Acquire: a thread that reads zero after `close` also sees what the lease holders did.
    return in_flight(word_.load(std::memory_order_acquire));
  }
  /// Whether new leases are refused, for good.
  [[nodiscard]] bool closed() const noexcept {
    // Acquire: a thread that sees the slot closed also sees the snapshot published before that.
    return (word_.load(std::memory_order_acquire) & closed_bit) != 0;
  }

  /// Leases that have ended so far, over the slot's whole life. May read too low by 2^21 while a thread sleeps in the
  /// middle of a reservation and others make 2^20 more.
  [[nodiscard]] std::uint64_t ended() const noexcept {
    // Read `halves_` before the word; a wrap between the two reads shows as a mismatch in the low bit. Acquire keeps
    // the reads in this order.
    std::uint64_t halves = halves_.load(std::memory_order_acquire);
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    const std::uint64_t field = word >> reserved_shift;
    if ((halves & 1U) != field >> half_shift) ++halves;  // the thread that reached the new half has yet to count it
    // `renewals_` rises before the word does, so the number may read too low, but never too high.
    const std::uint64_t all =
        (halves << half_shift) + (field & ((std::uint64_t{1} << half_shift) - 1)) - in_flight(word);
    const std::uint64_t renewals = renewals_.load(std::memory_order_relaxed);
    return all > renewals ? all - renewals : 0;
  }

  /// The maximum number of leases at once. Lowered below `in_flight()`, it takes effect as leases end.
  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  /// Above `Capacity::max_requests` counts as that, so that the count never carries into *closed*. Zero: every
  /// reservation is refused as full.
  void set_limit(std::uint32_t limit) noexcept {
    limit = limit < Capacity::max_requests ? limit : Capacity::max_requests;
    // Release and acquire: of two threads that set it, the second sees why the first did.
    if (limit_.exchange(limit, std::memory_order_acq_rel) != limit) renew();
  }
  /// A reservation that has read a limit of before this call does not succeed any more.
  void renew() noexcept {
    renewals_.fetch_add(1, std::memory_order_relaxed);
    // The word changes, as if a lease had begun and ended. Release: a reservation that reads the changed word sees the
    // new limit.
    const std::uint64_t before = word_.fetch_add(one_reserved, std::memory_order_acq_rel);
    if (((before ^ (before + one_reserved)) & top_bit) != 0) halves_.fetch_add(1, std::memory_order_release);
  }

  /// Takes a lease unless the slot is closed or at its limit, in one step. Precondition: the caller holds a pin.
  [[nodiscard, gnu::always_inline]] inline Attempt try_reserve() noexcept {
    return try_reserve([this] { return limit(); });
  }
  /// Takes a lease unless the slot is closed or at another limit, `limit()`, which is read at each attempt.
  template <class Limit>
  [[nodiscard, gnu::always_inline]] inline Attempt try_reserve(const Limit& limit) noexcept {
    // Acquire: a thread that is refused sees the snapshot that was published before the slot was closed.
    std::uint64_t seen = word_.load(std::memory_order_acquire);
    std::uint64_t next = 0;
    do {
      if ((seen & (closed_bit | in_flight_bits)) >= limit()) [[unlikely]]  // closed stands above every limit
        return (seen & closed_bit) != 0 ? Attempt::closed : Attempt::full;
      next = seen + one_reserved + one_in_flight;
      // Acquire, also on failure: the next round may be refused, see above. A success publishes nothing.
    } while (!word_.compare_exchange_weak(seen, next, std::memory_order_acquire));
    if (((seen ^ next) & top_bit) != 0) [[unlikely]]
      halves_.fetch_add(1, std::memory_order_release);  // release: `ended` sees the word that this half belongs to
    return Attempt::reserved;
  }

  /// Ends a lease. True: the slot is dead and the caller destroys it.
  [[nodiscard]] bool release() noexcept { return dead_after(release(word_)); }
  /// Ends a lease that is counted in `word`. Returns the word as it was before.
  [[nodiscard]] static std::uint64_t release(std::atomic<std::uint64_t>& word) noexcept {
    // Release: what the holder did happens before the destruction. Acquire: the destroying thread sees it all.
    return word.fetch_sub(one_in_flight, std::memory_order_acq_rel);
  }
  /// Whether the slot was open, so that the end of the lease has no consequences.
  [[nodiscard]] static bool was_open(std::uint64_t before) noexcept { return (before & closed_bit) == 0; }
  /// Whether the slot is dead after a release that found this word.
  [[nodiscard]] static bool dead_after(std::uint64_t before) noexcept { return needed(before) == one_in_flight; }

  /// Precondition: the caller holds a pin or a lease, or the lock under which the membership holds a pin.
  void pin() noexcept {
    if (pins(word_.fetch_add(one_pin, std::memory_order_relaxed)) >= max_pins) [[unlikely]]
      word_.fetch_sub(one_pin, std::memory_order_relaxed);
  }

  /// Ends a pin. True: the slot is dead and the caller destroys it.
  [[nodiscard]] bool unpin() noexcept {
    // Release: reads through this pin happen before the destruction. Acquire: the destroying thread sees all holders.
    const std::uint64_t seen = word_.fetch_sub(one_pin, std::memory_order_acq_rel);
    if (pins(seen) >= kept_pins) [[unlikely]]
      pin();
    return needed(seen) == one_pin;
  }

  /// Whether there are no leases, and exactly `pins` pins.
  [[nodiscard]] bool unseen(std::uint64_t pins) const noexcept {
    // Acquire: what the readers and holders of before did has happened.
    return needed(word_.load(std::memory_order_acquire)) == pins * one_pin;
  }

  /// Refuses new leases from now on.
  void close() noexcept {
    // Release: a refused thread sees the snapshot published before. Acquire: the closing thread sees what ended.
    word_.fetch_or(closed_bit, std::memory_order_acq_rel);
  }
  /// Takes leases again. Precondition: the caller holds the lock under which the membership holds a pin.
  void reopen() noexcept {
    // Release: a thread that reserves sees what was set before. Acquire: after the earlier `close`.
    word_.fetch_and(~closed_bit, std::memory_order_acq_rel);
  }

 protected:
  /// The word that `release` changes.
  [[nodiscard]] std::atomic<std::uint64_t>& word() noexcept { return word_; }

  // A word that counts leases whose end always has consequences: closed, with more pins than a slot can have. It begins
  // in the middle of its range, and each end that was noticed is added again, so it never runs over.
  static constexpr std::uint64_t mark_bits = (((std::uint64_t{1} << 20U) - 1) << 23U) | (std::uint64_t{1} << 22U);
  static constexpr std::uint64_t marked_word = mark_bits | (std::uint64_t{1} << 21U);
  /// Whether a lease was counted in a word that began as `marked_word`.
  [[nodiscard]] static bool was_marked(std::uint64_t before) noexcept { return (before & mark_bits) == mark_bits; }
  /// Takes notice of the end of a lease that was counted in such a word.
  static void notice(std::atomic<std::uint64_t>& word) noexcept { word.fetch_add(1, std::memory_order_relaxed); }

 private:
  static constexpr unsigned closed_shift = 22;
  static constexpr unsigned pin_shift = 23;
  static constexpr unsigned reserved_shift = 43;
  static constexpr unsigned half_shift = 63 - reserved_shift;
  static constexpr std::uint64_t one_in_flight = 1;
  static constexpr std::uint64_t one_pin = std::uint64_t{1} << pin_shift;
  static constexpr std::uint64_t pin_values = std::uint64_t{1} << (reserved_shift - pin_shift);
  static constexpr std::uint64_t kept_pins = pin_values / 2;
  static constexpr std::uint64_t max_pins = pin_values / 4 * 3;  // beyond are pins of threads inside `pin`
  static constexpr std::uint64_t closed_bit = std::uint64_t{1} << closed_shift;
  static constexpr std::uint64_t one_reserved = std::uint64_t{1} << reserved_shift;
  static constexpr std::uint64_t in_flight_bits = closed_bit - 1;
  static_assert(in_flight_bits == Capacity::max_requests, "pdroute: the limit keeps leases within their bits");
  static constexpr std::uint64_t top_bit = std::uint64_t{1} << 63U;

  [[nodiscard]] static std::uint32_t in_flight(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word & in_flight_bits);
  }
  [[nodiscard]] static std::uint64_t pins(std::uint64_t word) noexcept {
    return (word >> pin_shift) & (pin_values - 1);
  }
  /// Pins and leases alone.
  [[nodiscard]] static std::uint64_t needed(std::uint64_t word) noexcept {
    return word & (one_reserved - 1) & ~closed_bit;
  }

  std::atomic<std::uint64_t> word_{one_pin};
  std::atomic<std::uint32_t> limit_{Capacity::max_requests};
  std::atomic<std::uint32_t> halves_{0};    // how often *reserved so far* has reached another half of its range
  std::atomic<std::uint64_t> renewals_{0};  // by how much *reserved so far* is too high
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
