// SPDX-License-Identifier: Apache-2.0
// Snapshot: the eligible endpoints of one role at one moment, immutable, and why the others were left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <pdroute/no_endpoint.hpp>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A view of slots by index, which a policy chooses from. Cheap to copy.
template <class Slot>
class Candidates {
 public:
  constexpr Candidates() = default;
  constexpr Candidates(Slot* const* data, std::size_t size) noexcept : data_(data), size_(size) {}

  [[nodiscard]] constexpr const std::size_t& size() const noexcept { return size_; }
  [[nodiscard]] constexpr const Slot& operator[](std::size_t i) const noexcept { return *data_[i]; }
  /// For the router, which reserves what the policy chose.
  [[nodiscard]] constexpr Slot* slot(std::size_t i) const noexcept { return data_[i]; }

 private:
  Slot* const* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Pins the slots that it shows, so they stay alive as long as the snapshot.
/// Thread safety: immutable. The thread that drops it last may destroy slots, and with them the caller's endpoints.
template <class Slot>
class Snapshot {
 public:
  /// `left_out` has counted the members that are not eligible. Precondition: the caller keeps `eligible` pinned
  /// meanwhile.
  Snapshot(std::vector<Slot*> eligible, const NoEndpoint& left_out, std::uint64_t generation) noexcept
      : eligible_(std::move(eligible)), left_out_(left_out), generation_(generation) {
    for (Slot* slot : eligible_) slot->pin();
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    for (Slot* slot : eligible_) Slot::end_pin(slot);
  }

  [[nodiscard]] Candidates<Slot> candidates() const noexcept { return {eligible_.data(), eligible_.size()}; }
  /// The members that are not eligible, counted by the first reason; `declined` is zero, because no policy has chosen.
  [[nodiscard]] const NoEndpoint& left_out() const noexcept { return left_out_; }
  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

 private:
  std::vector<Slot*> eligible_;
  NoEndpoint left_out_;
  std::uint64_t generation_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
