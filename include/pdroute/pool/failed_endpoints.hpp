// SPDX-License-Identifier: Apache-2.0
// What a request has already failed on, kept by the caller beside the request.
#pragma once

#include <array>
#include <cstddef>
#include <pdroute/pool/lease.hpp>

namespace pdroute::inline v0 {

/// Remembers the last `capacity` endpoints, without allocating. Give it to the next attempt as `.exclude`:
///
///     pdroute::FailedEndpoints<> failed;
///     failed.add(route->decode);  // before the lease ends
///     route->decode.fail(pdroute::FailureKind::unreachable);
///     auto next = dispatcher.decode(request, {.exclude = failed});
///
/// It names lives of endpoints: one that has restarted under its id may be tried again. Both roles share one list.
template <std::size_t capacity = 8>  // more attempts than a client waits for
class FailedEndpoints {
  static_assert(capacity > 0, "pdroute: a list of failed endpoints needs room for one at least");

 public:
  /// Precondition: the lease holds a place. If the list is full, this one replaces the oldest.
  template <class Slot>
  void add(const Lease<Slot>& lease) noexcept {
    keys_[added_++ % capacity] = lease.key();
  }

  [[nodiscard]] const EndpointKey* data() const noexcept { return keys_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return added_ < capacity ? added_ : capacity; }
  [[nodiscard]] const EndpointKey* begin() const noexcept { return data(); }
  [[nodiscard]] const EndpointKey* end() const noexcept { return data() + size(); }

 private:
  std::array<EndpointKey, capacity> keys_{};
  std::size_t added_ = 0;
};

}  // namespace pdroute::inline v0
