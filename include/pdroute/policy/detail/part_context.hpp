// SPDX-License-Identifier: Apache-2.0
// PartContext: the context of a policy that is a part of another policy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Forwards to the context of the whole policy, and gives the state of the part instead of the whole state.
template <class Context, class State>
class PartContext {
 public:
  PartContext(Context& whole, State& state) noexcept : whole_(&whole), state_(&state) {}

  [[nodiscard]] auto now() { return whole_->now(); }
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) { return whole_->below(bound); }
  [[nodiscard]] State& state() noexcept { return *state_; }
  [[nodiscard]] std::uint64_t turn() { return whole_->turn(); }
  [[nodiscard]] std::uint64_t origin() const { return whole_->origin(); }
  [[nodiscard]] std::size_t first_size() const { return whole_->first_size(); }
  [[nodiscard]] std::uint64_t generation() const { return whole_->generation(); }
  [[nodiscard]] bool narrowed() const { return whole_->narrowed(); }

 private:
  Context* whole_;
  State* state_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
