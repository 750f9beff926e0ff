// SPDX-License-Identifier: Apache-2.0
// FailedEndpoints: the endpoints on which a request has failed, kept by the caller beside the request.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <pdroute/outcome.hpp>
#include <pdroute/pool/lease.hpp>

namespace pdroute {
inline namespace v0 {

/// An endpoint on which a request has failed, and how.
struct FailedEndpoint {
  EndpointKey key;                               ///< the life that has failed
  FailureKind kind = FailureKind::bad_response;  ///< how
  std::uint64_t engine = 0;                      ///< a hash of the engine that it belongs to; see `EndpointTraits`
  std::uint64_t id = 0;                          ///< a hash of its id

  /// Whether a request that excludes this one is kept away from the endpoint of `life`, such as a lease: from the same
  /// life, and if nothing could be reached there, from all endpoints of the engine in both roles. A later life under
  /// the same id in the same role has restarted, and may be tried.
  template <class Life>
  [[nodiscard]] bool excludes(const Life& life) const noexcept {
    const EndpointKey other = life.key();
    if (key == other) return true;
    if (kind != FailureKind::unreachable || key.router != other.router || engine != life.engine()) return false;
    return key.role != other.role || id != life.hash_of_id();
  }
};

/// Remembers the last `capacity` endpoints, without allocating. Give it to the next attempt as `.exclude`:
///
///     pdroute::FailedEndpoints<> failed;
///     route->decode.fail(pdroute::FailureKind::unreachable, failed);
///     auto next = dispatcher.decode(request, {.exclude = failed});
///
/// The list names lives of endpoints: one that has restarted under its id may be tried again. Both roles share one
/// list. An excluded endpoint that was overloaded counts as full, so that the reason says "try again later".
/// Thread safety: thread-compatible, like the request that it belongs to.
template <std::size_t capacity = 8>  // more attempts than a client waits for
class FailedEndpoints {
  static_assert(capacity > 0, "pdroute: a list of failed endpoints needs room for one at least");

 public:
  /// Adds the endpoint of a lease. Precondition: the lease holds a place. In a full list it replaces the oldest entry.
  template <class Slot>
  void add(const Lease<Slot>& lease, FailureKind kind = FailureKind::bad_response) noexcept {
    list_[added_++ % capacity] = {lease.key(), kind, lease.engine(), lease.hash_of_id()};
  }

  // A contiguous range, which converts to std::span<const FailedEndpoint>. After more than `capacity` additions the
  // order is not that of the additions.
  [[nodiscard]] const FailedEndpoint* data() const noexcept { return list_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return added_ < capacity ? added_ : capacity; }
  [[nodiscard]] const FailedEndpoint* begin() const noexcept { return data(); }
  [[nodiscard]] const FailedEndpoint* end() const noexcept { return data() + size(); }

 private:
  std::array<FailedEndpoint, capacity> list_{};
  std::size_t added_ = 0;
};

}  // namespace v0
}  // namespace pdroute
