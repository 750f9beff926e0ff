// SPDX-License-Identifier: Apache-2.0
// A request running on an endpoint, as an object.
#pragma once

#include <cassert>
#include <cstdint>
#include <memory>
#include <utility>

namespace pdroute::inline v0 {

/// Holds one request's place on an endpoint. Counted from the moment of choice until `complete()` or destruction;
/// released exactly once, on any thread, also after the router has gone. `->` and `*` give the caller's endpoint, which
/// lives at least as long as the lease.
///
/// Thread safety: thread-compatible. Move it between threads freely; two threads must not use one lease at once.
/// The thread that ends the last lease of a removed endpoint destroys the library's copy of that endpoint.
template <class Slot>
class [[nodiscard]] Lease {
 public:
  Lease() = default;  ///< holds nothing
  explicit Lease(Slot* reserved) noexcept : slot_(reserved) {}
  Lease(Lease&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  Lease& operator=(Lease&& other) noexcept {
    if (this != &other) {
      complete();
      slot_ = std::exchange(other.slot_, nullptr);
    }
    return *this;
  }
  ~Lease() { complete(); }

  /// The request's work here is done: after the first token for prefill, after the last for decode. Idempotent.
  void complete() noexcept {
    if (slot_ != nullptr) Slot::end_lease(std::exchange(slot_, nullptr));
  }

  /// Whether the request still holds its place.
  explicit operator bool() const noexcept { return slot_ != nullptr; }

  /// The caller's endpoint. Precondition: holds a place.
  [[nodiscard]] const auto& operator*() const noexcept { return slot().endpoint(); }
  [[nodiscard]] const auto* operator->() const noexcept { return std::addressof(slot().endpoint()); }
  /// The endpoint's id, valid as long as the lease. Precondition: holds a place.
  [[nodiscard]] auto id() const noexcept { return slot().id(); }
  /// Which life of the endpoint this is. Precondition: holds a place.
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return slot().incarnation(); }

 private:
  [[nodiscard]] const Slot& slot() const noexcept {
    assert(slot_ != nullptr && "a lease that has ended or was moved from names no endpoint");
    return *slot_;
  }

  Slot* slot_ = nullptr;
};

}  // namespace pdroute::inline v0
