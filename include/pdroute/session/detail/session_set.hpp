// SPDX-License-Identifier: Apache-2.0
// Eight places for sessions: the part of a SessionTable that one session may stand in.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Remembers which incarnation serves a session, for at most eight sessions at a time.
///
/// A place is two words. The value: bits 0..22 the tick of the last use, bit 23 whether there was more than one, bits
/// 24..63 the incarnation plus one, so that zero is empty. The check: the session, exclusive-or the value's
/// incarnation; so a value and a check that were not written together match nobody (the trick of lockless transposition
/// tables: Hyatt and Mann 2002). What changes with each use is not in the check, so that a use writes one word and no
/// reader misses a session while it is used.
///
/// Precondition: sessions are hashes, or two words that were not written together might match after all; of hashes, one
/// such pair in 2^50 does.
///
/// Thread safety: all members may be called from many threads at once; lock-free. All is relaxed: a place refers to
/// nothing else in memory.
class alignas(64) SessionSet {  // two cache lines of its own
 public:
  static constexpr std::size_t places = 8;
  static constexpr std::uint64_t max_incarnation = (std::uint64_t{1} << 40U) - 2;

  /// A binding lives so many ticks after its last use. With four hours, the least recently used is told to 14 seconds,
  /// and ticks, of which 23 bits are kept, wrap after years.
  static constexpr std::int64_t lifetime = 1024;

  [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t session, std::int64_t now) const noexcept {
    for (const Place& place : places_) {
      const std::uint64_t value = place.value.load(std::memory_order_relaxed);
      if (place.holds(session, value) && alive(value, now)) return (value >> incarnation_shift) - 1;
    }
    return std::nullopt;
  }

  /// Precondition: incarnation <= max_incarnation.
  void bind(std::uint64_t session, std::uint64_t incarnation, std::int64_t now) noexcept {
    while (!try_bind(session, incarnation, now)) {  // another thread has bound here meanwhile
    }
  }

  void forget(std::uint64_t session) noexcept {
    for (Place& place : places_) {
      const std::uint64_t value = place.value.load(std::memory_order_relaxed);
      if (place.holds(session, value)) place.clear(value);  // two, if threads have bound it at once
    }
  }

 private:
  static constexpr unsigned tick_bits = 23;
  static constexpr std::uint64_t tick_mask = (std::uint64_t{1} << tick_bits) - 1;
  static constexpr std::uint64_t used_again = std::uint64_t{1} << tick_bits;
  static constexpr unsigned incarnation_shift = tick_bits + 1;
  static constexpr std::uint64_t incarnation_mask = ~(used_again | tick_mask);

  struct Place {
    std::atomic<std::uint64_t> value{0};
    std::atomic<std::uint64_t> check{0};

    [[nodiscard]] bool holds(std::uint64_t session, std::uint64_t seen) const noexcept {
      return (seen & incarnation_mask) != 0 &&
             check.load(std::memory_order_relaxed) == (session ^ (seen & incarnation_mask));
    }
    void clear(std::uint64_t seen) noexcept {  // unless it has changed
      value.compare_exchange_strong(seen, 0, std::memory_order_relaxed);
    }
  };

  /// In ticks; below zero if used later than now, by another thread or before the clock stepped back.
  [[nodiscard]] static std::int64_t age(std::uint64_t value, std::int64_t now) noexcept {
    constexpr unsigned spare = 64 - tick_bits;
    const std::uint64_t difference = static_cast<std::uint64_t>(now) - value;
    return static_cast<std::int64_t>(difference << spare) >> spare;
  }
  /// As far ahead of the clock as behind it, and no farther: so a binding that was long forgotten comes back, when the
  /// ticks have wrapped, for as short a time as can be.
  [[nodiscard]] static bool alive(std::uint64_t value, std::int64_t now) noexcept {
    const std::int64_t ticks = age(value, now);
    return -lifetime <= ticks && ticks <= lifetime;
  }
  /// The place with the highest is given away: first those that hold nobody, then those used once, then the others; the
  /// least recently used of them.
  [[nodiscard]] static std::int64_t dispensable(std::uint64_t value, std::int64_t now) noexcept {
    constexpr std::int64_t more_than_any_age = std::int64_t{1} << tick_bits;
    if ((value & incarnation_mask) == 0 || !alive(value, now)) return 2 * more_than_any_age;
    return age(value, now) + ((value & used_again) == 0 ? more_than_any_age : 0);
  }

  [[nodiscard]] bool try_bind(std::uint64_t session, std::uint64_t incarnation, std::int64_t now) noexcept {
    Place* chosen = nullptr;
    std::uint64_t seen = 0;
    bool held = false;
    for (Place& place : places_) {
      const std::uint64_t value = place.value.load(std::memory_order_relaxed);
      held = place.holds(session, value);
      if (held || chosen == nullptr || dispensable(value, now) > dispensable(seen, now)) {
        chosen = &place;
        seen = value;
      }
      if (held) break;
    }
    const bool again = held && alive(seen, now);
    const bool later = again && age(seen, now) < 0;
    const std::uint64_t used = (later ? seen : static_cast<std::uint64_t>(now)) & tick_mask;
    const std::uint64_t next = ((incarnation + 1) << incarnation_shift) | (again ? used_again : 0) | used;
    if (held && next == seen) return true;  // a busy session writes once a tick, not at each use
    const bool same_check = held && ((seen ^ next) & incarnation_mask) == 0;
    if (!chosen->value.compare_exchange_strong(seen, next, std::memory_order_relaxed)) return false;
    if (!same_check) chosen->check.store(session ^ (next & incarnation_mask), std::memory_order_relaxed);
    return true;
  }

  std::array<Place, places> places_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
