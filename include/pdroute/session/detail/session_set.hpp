// SPDX-License-Identifier: Apache-2.0
// SessionSet: eight places for sessions; the part of a SessionTable in which one session may stand.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A table from sessions to lives of endpoints with eight places. A life is a number.
///
/// A place has two words:
/// - The value: bits 0 to 22 are the tick of the last use, bit 23 says whether the session was used more than once, and
///   bits 24 to 63 are the life plus one, so that zero means empty.
/// - The check: the session exclusive-or the value's life bits.
///
/// A value and a check that were not written together match no session. This is the method of lockless transposition
/// tables (Hyatt and Mann 2002). The bits that change at each use are not part of the check. So a use writes one word,
/// and no reader misses a session while it is used.
///
/// Precondition: sessions are hashes. Otherwise two words that were not written together might match; of hashes, one
/// such pair in 2^50 does.
///
/// Thread safety: all members may be called from many threads at once; lock-free. All operations are relaxed, because a
/// place refers to no other memory.
class alignas(64) SessionSet {  // two cache lines of its own
 public:
  static constexpr std::size_t places = 8;                                  ///< number of places
  static constexpr std::uint64_t max_life = (std::uint64_t{1} << 40U) - 2;  ///< the highest that fits

  /// The number of ticks for which a binding lives after its last use. With four hours, a tick is 14 seconds, which is
  /// how finely the least recently used place is found; the 23 bits of a tick wrap after years.
  static constexpr std::int64_t lifetime = 1024;

  /// The life that the session is bound to, if the binding is still alive at tick `now`.
  [[nodiscard]] std::optional<std::uint64_t> find(std::uint64_t session, std::int64_t now) const noexcept {
    for (const Place& place : places_) {
      const std::uint64_t value = place.value.load(std::memory_order_relaxed);
      if (place.holds(session, value) && alive(value, now)) return (value >> life_shift) - 1;
    }
    return std::nullopt;
  }

  /// Binds the session. Precondition: life <= max_life.
  void bind(std::uint64_t session, std::uint64_t life, std::int64_t now) noexcept {
    while (!try_bind(session, life, now)) {  // another thread has written the place meanwhile
    }
  }

  /// Removes the session.
  void forget(std::uint64_t session) noexcept {
    for (Place& place : places_) {
      const std::uint64_t value = place.value.load(std::memory_order_relaxed);
      if (place.holds(session, value)) place.clear(value);  // two places, if two threads bound the session at once
    }
  }

  /// The number of places whose session is bound to the life by a binding that is alive at tick `now`.
  [[nodiscard]] std::size_t count(std::uint64_t life, std::int64_t now) const noexcept {
    std::size_t bound = 0;
    for (const Place& place : places_) {
      const std::uint64_t value = place.value.load(std::memory_order_relaxed);
      if (value >> life_shift == life + 1 && alive(value, now)) ++bound;
    }
    return bound;
  }

 private:
  static constexpr unsigned tick_bits = 23;
  static constexpr std::uint64_t tick_mask = (std::uint64_t{1} << tick_bits) - 1;
  static constexpr std::uint64_t used_again = std::uint64_t{1} << tick_bits;
  static constexpr unsigned life_shift = tick_bits + 1;
  static constexpr std::uint64_t life_mask = ~(used_again | tick_mask);

  struct Place {
    std::atomic<std::uint64_t> value{0};
    std::atomic<std::uint64_t> check{0};

    [[nodiscard]] bool holds(std::uint64_t session, std::uint64_t seen) const noexcept {
      return (seen & life_mask) != 0 && check.load(std::memory_order_relaxed) == (session ^ (seen & life_mask));
    }
    void clear(std::uint64_t seen) noexcept {  // does nothing if the value is not `seen` any more
      value.compare_exchange_strong(seen, 0, std::memory_order_relaxed);
    }
  };

  /// The time since the last use, in ticks. Below zero if the last use was later than `now`, by another thread or
  /// before the clock stepped back.
  [[nodiscard]] static std::int64_t age(std::uint64_t value, std::int64_t now) noexcept {
    constexpr unsigned spare = 64 - tick_bits;
    const std::uint64_t difference = static_cast<std::uint64_t>(now) - value;
    return static_cast<std::int64_t>(difference << spare) >> spare;
  }
  /// Whether the last use is at most `lifetime` away from `now`, on either side. Because future times are
  /// limited too, an expired binding seems alive only briefly when the ticks wrap.
  [[nodiscard]] static bool alive(std::uint64_t value, std::int64_t now) noexcept {
    const std::int64_t ticks = age(value, now);
    return -lifetime <= ticks && ticks <= lifetime;
  }
  /// How readily a place is given away; the highest goes first. Places that are empty or not alive come first, then
  /// those used once, then the others; within each group, the least recently used.
  [[nodiscard]] static std::int64_t dispensable(std::uint64_t value, std::int64_t now) noexcept {
    constexpr std::int64_t more_than_any_age = std::int64_t{1} << tick_bits;
    if ((value & life_mask) == 0 || !alive(value, now)) return 2 * more_than_any_age;
    return age(value, now) + ((value & used_again) == 0 ? more_than_any_age : 0);
  }

  [[nodiscard]] bool try_bind(std::uint64_t session, std::uint64_t life, std::int64_t now) noexcept {
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
    const std::uint64_t next = ((life + 1) << life_shift) | (again ? used_again : 0) | used;
    if (held && next == seen) return true;  // a busy session writes once per tick and not at each use
    const bool same_check = held && ((seen ^ next) & life_mask) == 0;
    if (!chosen->value.compare_exchange_strong(seen, next, std::memory_order_relaxed)) return false;
    if (!same_check) chosen->check.store(session ^ (next & life_mask), std::memory_order_relaxed);
    return true;
  }

  std::array<Place, places> places_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
