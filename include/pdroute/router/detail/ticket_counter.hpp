// SPDX-License-Identifier: Apache-2.0
// TicketCounter: numbers the choices of each leg over all dispatchers.
#pragma once

#include <atomic>
#include <cstdint>
#include <pdroute/role.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Two 32-bit sequences in one word, so that a route over both legs draws its two numbers by one atomic addition. A
/// policy calls such a number its turn. They wrap after 2^32 choices; a rotation then starts over in the middle.
/// Thread safety: all members may be called from many threads at once; lock-free. All accesses are relaxed: the numbers
/// order no other memory.
class TicketCounter {
 public:
  /// The turns of one call, drawn when a policy first asks for one.
  class Draw {
   public:
    enum class Legs : std::uint8_t { prefill, decode, both };

    Draw(TicketCounter& counter, Legs legs) noexcept : counter_(&counter), legs_(legs) {}

    /// The turns that would be drawn next. They are not drawn, so there is nothing to undo.
    [[nodiscard]] static Draw foreseen(TicketCounter& counter) noexcept {
      Draw draw(counter, Legs::both);
      draw.word_ = counter.word_.load(std::memory_order_relaxed);
      draw.drawn_ = true;
      return draw;
    }

    [[nodiscard]] std::uint32_t turn(Role role) noexcept {
      if (!drawn_) {
        word_ = counter_->word_.fetch_add(step(), std::memory_order_relaxed);
        drawn_ = true;
      }
      return half(word_, role);
    }
    /// Gives the turns back, unless another thread has drawn since.
    void undo() noexcept {
      if (!drawn_) return;
      std::uint64_t last = word_ + step();
      counter_->word_.compare_exchange_strong(last, word_, std::memory_order_relaxed);
      drawn_ = false;
    }
    /// The leg's turn at which the present candidates came into force.
    [[nodiscard]] std::uint32_t origin(Role role) const noexcept {
      return half(counter_->origin_.load(std::memory_order_relaxed), role);
    }

   private:
    [[nodiscard]] std::uint64_t step() const noexcept {
      return (legs_ == Legs::decode ? 0 : one_prefill) + (legs_ == Legs::prefill ? 0 : one_decode);
    }

    TicketCounter* counter_;
    Legs legs_;
    bool drawn_ = false;
    std::uint64_t word_ = 0;
  };

  /// Says that the candidates of a leg have changed: the coming turns are the first over the new ones.
  void candidates_changed() noexcept {
    origin_.store(word_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] static std::uint32_t half(std::uint64_t word, Role role) noexcept {
    return static_cast<std::uint32_t>(role == Role::prefill ? word : word >> decode_shift);
  }

  static constexpr unsigned decode_shift = 32;
  static constexpr std::uint64_t one_prefill = 1;
  static constexpr std::uint64_t one_decode = std::uint64_t{1} << decode_shift;

  alignas(64) std::atomic<std::uint64_t> word_{0};  // its own line: with round robin, every route writes it
  std::atomic<std::uint64_t> origin_{0};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
