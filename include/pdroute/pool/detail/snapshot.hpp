// SPDX-License-Identifier: Apache-2.0
// Snapshot: the endpoints of one role that may be chosen at one moment, immutable, and why the others were left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pdroute/no_endpoint.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A view of slots by index, which a policy chooses from. Endpoints that take bound sessions only stand behind the
/// others, at the indices from `size()` to `all()`; a policy that knows no sessions sees none of them. Cheap to copy.
template <class Slot>
class Candidates {
 public:
  constexpr Candidates() = default;
  constexpr Candidates(Slot* const* data, std::size_t size, std::size_t bound_only = 0) noexcept
      : data_(data), size_(size), all_(size + bound_only) {}

  [[nodiscard]] constexpr const std::size_t& size() const noexcept { return size_; }
  [[nodiscard]] constexpr std::size_t bound_only_size() const noexcept { return all_ - size_; }
  [[nodiscard]] constexpr std::size_t all() const noexcept { return all_; }
  /// Those that take bound sessions only, without the others.
  [[nodiscard]] constexpr Candidates bound_only() const noexcept { return {data_ + size_, 0, bound_only_size()}; }
  [[nodiscard]] constexpr const Slot& operator[](std::size_t i) const noexcept { return *data_[i]; }
  /// For the router, which reserves what the policy chose.
  [[nodiscard]] constexpr Slot* slot(std::size_t i) const noexcept { return data_[i]; }

 private:
  Slot* const* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t all_ = 0;  // with those behind
};

/// Pins the slots that it shows, so they stay alive as long as the snapshot.
/// Thread safety: immutable. The thread that drops it last may destroy slots, and with them the caller's endpoints.
template <class Slot>
class Snapshot {
 public:
  /// `left_out` has counted the members that are not eligible. Those that it counts as `bound_only` are the last of
  /// `slots`. Precondition: the caller keeps `slots` pinned meanwhile.
  Snapshot(std::vector<Slot*> slots, const NoEndpoint& left_out, std::uint64_t generation) noexcept
      : slots_(std::move(slots)), left_out_(left_out), generation_(generation) {
    for (Slot* slot : slots_) slot->pin();
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    for (Slot* slot : slots_) Slot::end_pin(slot);
  }

  /// Those that any request may choose.
  [[nodiscard]] Candidates<Slot> candidates() const noexcept { return {slots_.data(), size()}; }
  /// Those, and behind them the ones that take bound sessions only.
  [[nodiscard]] Candidates<Slot> with_bound_only() const noexcept {
    return {slots_.data(), size(), left_out_.bound_only};
  }
  /// The members that are not eligible, counted by the first reason; `declined` is zero, because no policy has chosen.
  [[nodiscard]] const NoEndpoint& left_out() const noexcept { return left_out_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

 private:
  [[nodiscard]] std::size_t size() const noexcept { return slots_.size() - left_out_.bound_only; }

  std::vector<Slot*> slots_;
  NoEndpoint left_out_;
  std::uint64_t generation_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
