// SPDX-License-Identifier: Apache-2.0
// One life of one endpoint in one role: the caller's copy, its count and its load.
#pragma once

#include <cstdint>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/no_load.hpp>
#include <pdroute/pool/slot_count.hpp>

namespace pdroute::inline v0 {

/// An incarnation of an endpoint in one role. The same id back again is another slot, so a late release reaches only
/// the old one. Policies see slots as const candidates: the count in flight, the members of the role's load metric, the
/// id and the caller's endpoint.
template <EndpointType Endpoint, class Load = NoLoad>
class alignas(64) alignas(Endpoint) alignas(Load) Slot  // own cache lines: neighbours are written by other threads
    : public SlotCount,
      public Load {
 public:
  Slot(const Endpoint& endpoint, std::uint64_t incarnation, typename Load::Options options)
      : Load(options), incarnation_(incarnation), endpoint_(endpoint) {}

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] EndpointIdView<Endpoint> id() const noexcept { return pdroute::endpoint_id(endpoint_); }
  /// Counts the lives that the pool has seen; unique within the pool.
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }

  static void end_lease(Slot* slot) noexcept {
    if (slot->release()) [[unlikely]]
      destroy(slot);
  }
  static void end_pin(Slot* slot) noexcept {
    if (slot->unpin()) [[unlikely]]
      destroy(slot);
  }

 private:
  ~Slot() = default;

  // Out of line, so that ending a lease is small enough to be inlined.
  [[gnu::noinline, gnu::cold]] static void destroy(Slot* slot) noexcept { delete slot; }

  alignas(64) std::uint64_t incarnation_;  // read while other threads write the count above
  Endpoint endpoint_;
};

}  // namespace pdroute::inline v0
