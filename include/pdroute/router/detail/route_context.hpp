// SPDX-License-Identifier: Apache-2.0
// What a policy sees of the router during one choice.
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

/// What both legs of one call share, read and drawn at most once, and only if a policy asks.
template <class Clock>
struct CallFacts {
  ReadOnceClock<Clock> clock;
  TicketCounter::Draw turns;
  SplitMix64* generator;
  std::uint64_t generation;
};

/// Who the candidates are: everyone who is eligible, or those whom a filter or a lack of room has left of them.
enum class Among : std::uint8_t { all, remaining };

/// A `ChoiceContext`; see `EndpointSelector` for what its members mean.
template <Among among, class Clock, class State>
class RouteContext {
 public:
  RouteContext(CallFacts<Clock>& facts, Role role, State& state, std::size_t first_size) noexcept
      : facts_(&facts), state_(&state), first_size_(first_size), role_(role) {}

  [[nodiscard]] auto now() { return facts_->clock.now(); }
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) noexcept { return pdroute::below(*facts_->generator, bound); }
  [[nodiscard]] State& state() noexcept { return *state_; }
  [[nodiscard]] std::uint32_t turn() noexcept { return facts_->turns.turn(role_); }
  [[nodiscard]] std::uint32_t origin() const noexcept { return facts_->turns.origin(role_); }
  [[nodiscard]] std::size_t first_size() const noexcept { return first_size_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return facts_->generation; }
  [[nodiscard]] bool narrowed() const noexcept {
    if constexpr (among == Among::all) {
      return false;
    } else {
      return narrowed_;
    }
  }
  /// Says whether the next candidates are fewer than all.
  void narrow(bool narrowed) noexcept { narrowed_ = narrowed; }

 private:
  CallFacts<Clock>* facts_;
  State* state_;
  std::size_t first_size_;
  Role role_;
  bool narrowed_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
