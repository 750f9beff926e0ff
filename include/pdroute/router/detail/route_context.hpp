// SPDX-License-Identifier: Apache-2.0
// RouteContext: what a policy sees of the router during one choice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pdroute/random.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/read_once_clock.hpp>
#include <pdroute/router/detail/ticket_counter.hpp>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Keeps the dispatcher's own generator apart from those of its policies, which have the legs' streams.
inline constexpr std::uint64_t stream_for_draws = std::uint64_t{2} << 32U;

/// What both legs of one call share. Clock and turns are read and drawn at most once, and only if a policy asks.
template <class Clock>
struct CallFacts {
  ReadOnceClock<Clock> clock;
  TicketCounter::Draw tickets;
  SplitMix64* generator;
  std::uint64_t generation;
  const std::size_t* first_size = nullptr;  ///< while the second leg chooses: the number of candidates of the first
};

/// Which candidates a policy is asked over: all that are eligible, or those that a filter or a lack of room has left.
enum class Among : std::uint8_t { all, remaining };

/// The context of one choice; see `EndpointSelector` for what its members mean.
template <Among among, class Clock, class State>
class RouteContext {
 public:
  RouteContext(CallFacts<Clock>& facts, Role role, State& state) noexcept
      : facts_(&facts), state_(&state), role_(role) {}

  [[nodiscard]] auto now() { return facts_->clock.now(); }
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) noexcept { return pdroute::below(*facts_->generator, bound); }
  [[nodiscard]] State& state() noexcept { return *state_; }
  /// Inlined by force: a call would make clang keep the facts of the call in memory.
  [[nodiscard, gnu::always_inline]] inline std::uint64_t turn() noexcept { return facts_->tickets.turn(role_); }
  [[nodiscard]] std::uint64_t origin() const noexcept { return facts_->tickets.origin(role_); }
  [[nodiscard]] std::size_t first_size() const noexcept {
    return facts_->first_size == nullptr ? 0 : *facts_->first_size;
  }
  [[nodiscard]] std::uint64_t generation() const noexcept { return facts_->generation; }
  [[nodiscard]] bool narrowed() const noexcept {
    if constexpr (among == Among::all) {
      return false;
    } else {
      return narrowed_;
    }
  }
  /// Sets whether the next candidates are fewer than all.
  void narrow(bool narrowed) noexcept { narrowed_ = narrowed; }

 private:
  CallFacts<Clock>* facts_;
  State* state_;
  Role role_;
  bool narrowed_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
