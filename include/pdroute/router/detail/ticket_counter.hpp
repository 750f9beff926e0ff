// SPDX-License-Identifier: Apache-2.0
// TicketCounter: numbers the choices of each leg over all dispatchers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Numbers the choices of each leg: 0, 1, 2, ... A policy calls such a number its turn.
///
/// The low halves of the two next numbers share one word, so that a route over both legs draws both by one atomic
/// addition. The high halves follow from numbers that were drawn recently: one draw in 2^20 writes those of both legs
/// down, and two numbers less than 2^31 apart tell each other's high half. So a turn has 64 bits, and rotations never
/// start over.
///
/// Thread safety: all members may be called from many threads at once; lock-free. All accesses are relaxed: the numbers
/// order no other memory. At the draw in 2^32 at which the low half of the prefill number wraps, a decode number drawn
/// by another thread at the same moment may be one too high.
class TicketCounter {
 public:
  /// The first number of both legs; not 0 in tests only.
  explicit TicketCounter(std::uint64_t first = 0) noexcept
      : word_((first << decode_shift) + static_cast<std::uint32_t>(first)),
        recent_{first, first},
        origin_{first, first} {}

  /// The turns of one call, drawn when a policy first asks for one.
  class Draw {
   public:
    /// Which legs a call chooses. `both` draws both turns at once. `each` draws the turn of a leg when its policy asks,
    /// so that a leg whose policy draws at random, because a filter has narrowed its candidates, uses none up.
    enum class Legs : std::uint8_t { prefill, decode, both, each };

    Draw(TicketCounter& counter, Legs legs) noexcept : counter_(&counter), legs_(legs) {}

    /// The turns that would be drawn next. They are not drawn, so there is nothing to undo.
    [[nodiscard]] static Draw foreseen(TicketCounter& counter) noexcept {
      Draw draw(counter, Legs::both);
      draw.word_ = counter.word_.load(std::memory_order_relaxed);
      draw.drawn_ = one_prefill + one_decode;
      return draw;
    }

    [[nodiscard, gnu::always_inline]] inline std::uint64_t turn(Role role) noexcept {
      if ((drawn_ & one(role)) == 0) draw(role);
      return counter_->turn(half(word_, role), role);
    }
    /// Gives the turns back, unless another thread has drawn since.
    void undo() noexcept {
      if (drawn_ == 0) return;
      counter_->word_.compare_exchange_strong(after_, before_, std::memory_order_relaxed);
      drawn_ = 0;
    }
    /// The leg's turn at which the present candidates came into force.
    [[nodiscard]] std::uint64_t origin(Role role) const noexcept {
      return counter_->origin_[index(role)].load(std::memory_order_relaxed);
    }

   private:
    [[gnu::always_inline]] inline void draw(Role role) noexcept {
      const std::uint64_t step = legs_ == Legs::both ? one_prefill + one_decode : one(role);
      const std::uint64_t word = counter_->draw(step);
      if (drawn_ == 0 || word != after_) before_ = word;  // an earlier draw stays, if another thread has drawn since
      after_ = word + step;
      word_ = drawn_ == 0 ? word : (role == Role::prefill ? combined(word, word_) : combined(word_, word));
      drawn_ |= step;
    }

    TicketCounter* counter_;
    Legs legs_;
    std::uint64_t drawn_ = 0;   // one of each leg that has drawn
    std::uint64_t word_ = 0;    // the low halves of the turns drawn
    std::uint64_t before_ = 0;  // the counter before, and after, what can still be undone
    std::uint64_t after_ = 0;
  };

  /// Says that the candidates of a leg have changed: the coming turns are the first over the new ones.
  void candidates_changed() noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (const Role role : {Role::prefill, Role::decode})
      origin_[index(role)].store(turn(half(word, role), role), std::memory_order_relaxed);
  }

 private:
  static constexpr unsigned decode_shift = 32;
  static constexpr std::uint64_t one_prefill = 1;
  static constexpr std::uint64_t one_decode = std::uint64_t{1} << decode_shift;
  static constexpr std::uint32_t marked = (std::uint32_t{1} << 20U) - 1;  // draws between two that write `recent_`

  [[nodiscard]] static constexpr std::uint64_t one(Role role) noexcept {
    return role == Role::prefill ? one_prefill : one_decode;
  }
  [[nodiscard]] static constexpr std::size_t index(Role role) noexcept { return role == Role::prefill ? 0 : 1; }
  [[nodiscard]] static constexpr std::uint32_t half(std::uint64_t word, Role role) noexcept {
    return static_cast<std::uint32_t>(role == Role::prefill ? word : word >> decode_shift);
  }
  /// The prefill half of one word and the decode half of another.
  [[nodiscard]] static constexpr std::uint64_t combined(std::uint64_t prefill, std::uint64_t decode) noexcept {
    return static_cast<std::uint32_t>(prefill) | (decode >> decode_shift << decode_shift);
  }

  [[nodiscard, gnu::always_inline]] inline std::uint64_t draw(std::uint64_t step) noexcept {
    const std::uint64_t word = word_.fetch_add(step, std::memory_order_relaxed);
    const bool draws_prefill = (step & one_prefill) != 0;
    const std::uint32_t low = half(word, draws_prefill ? Role::prefill : Role::decode);
    if ((low & marked) == marked) [[unlikely]] {
      if (draws_prefill && low == std::numeric_limits<std::uint32_t>::max())  // it has carried into the decode half
        word_.fetch_sub(one_decode, std::memory_order_relaxed);
      for (const Role role : {Role::prefill, Role::decode})
        recent_[index(role)].store(turn(half(word, role), role), std::memory_order_relaxed);
    }
    return word;
  }
  /// The turn of a low half that has just been drawn or seen.
  [[nodiscard]] std::uint64_t turn(std::uint32_t low, Role role) const noexcept {
    const std::uint64_t recent = recent_[index(role)].load(std::memory_order_relaxed);
    const auto later = static_cast<std::int32_t>(low - static_cast<std::uint32_t>(recent));
    return recent + static_cast<std::uint64_t>(std::int64_t{later});
  }

  alignas(64) std::atomic<std::uint64_t> word_;       // its own line: with round robin, every route writes it
  std::array<std::atomic<std::uint64_t>, 2> recent_;  // by leg; read with each turn
  std::array<std::atomic<std::uint64_t>, 2> origin_;  // by leg
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
