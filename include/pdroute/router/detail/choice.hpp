// SPDX-License-Identifier: Apache-2.0
// Choice: the lease of a chosen endpoint, which is taken back unless it is moved out.
#pragma once

#include <pdroute/load/load_metric.hpp>
#include <pdroute/pool/lease.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What a leg has chosen: a lease, or one that holds nothing, and what it takes to undo it. Unless the lease is moved
/// out, the reservation is taken back as if it had not been made, also when something throws.
template <class Slot, class Load>
class Choice {
 public:
  using Receipt = ReceiptOf<Load>;

  Choice() = default;
  Choice(Lease<Slot>&& reserved, const Receipt& counted) noexcept : lease(std::move(reserved)), receipt(counted) {}
  Choice(Choice&&) = default;
  Choice& operator=(Choice&& other) noexcept {
    undo();
    lease = std::move(other.lease);
    receipt = other.receipt;
    return *this;
  }
  ~Choice() { undo(); }

  explicit operator bool() const noexcept { return static_cast<bool>(lease); }
  /// Precondition: not empty.
  [[nodiscard]] const typename Slot::Endpoint& endpoint() const noexcept { return *lease; }

  void undo() noexcept {
    if (lease) [[unlikely]]
      lease.undo(receipt);
  }

  Lease<Slot> lease;
  [[no_unique_address]] Receipt receipt{};
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
