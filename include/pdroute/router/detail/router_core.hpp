// SPDX-License-Identifier: Apache-2.0
// RouterCore: what a router and its dispatchers share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <pdroute/clock.hpp>
#include <pdroute/load/engine_load.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <pdroute/pool/detail/engine_rows.hpp>
#include <pdroute/pool/detail/lease_table.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/slow_start.hpp>
#include <pdroute/random.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/leg.hpp>
#include <pdroute/router/detail/ticket_counter.hpp>
#include <pdroute/router/refusals.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Numbers the routers of this process, of all types: a clock may stand still between two of them.
[[nodiscard]] inline std::uint64_t next_router() noexcept {
  static std::atomic<std::uint64_t> made{0};
  return made.fetch_add(1, std::memory_order_relaxed);
}

/// Policies, pools and counters. Lives as long as the router or any of its dispatchers.
template <class PrefillPolicy, class DecodePolicy, class Endpoint, class Clock>
struct RouterCore {
  using PrefillLeg = Leg<Role::prefill, PrefillPolicy, Endpoint, Clock>;
  using DecodeLeg = Leg<Role::decode, DecodePolicy, Endpoint, Clock>;
  using PrefillLease = Lease<typename PrefillLeg::Slot>;
  using DecodeLease = Lease<typename DecodeLeg::Slot>;
  static constexpr std::uint32_t max_detached_leases = LeaseTable<PrefillLease>::max_places;

  RouterCore(PrefillPolicy prefill_rule, DecodePolicy decode_rule, Clock caller_clock, std::uint64_t router_seed,
             Role first_leg, std::uint32_t detached_leases, const OutlierDetection& rules, const SlowStart& slow_start)
      : prefill_policy(std::move(prefill_rule)),
        decode_policy(std::move(decode_rule)),
        clock(std::move(caller_clock)),
        seed(router_seed),
        mark(mark_of(this, seed, detail::nanoseconds_of(clock.now()))),
        first(first_leg),
        engines(std::make_shared<EngineTable>()),
        prefill(detail::load_options(prefill_policy), rules, mark, slow_start, engines),
        decode(detail::load_options(decode_policy), rules, mark, slow_start, engines),
        detached_prefill(detached_leases, mark),
        detached_decode(detached_leases, mark) {}

  /// A number that another router hardly has: routers that are alive at once differ by their address, those that follow
  /// each other at one address by their number, and those of two processes most likely by the time.
  [[nodiscard]] static std::uint64_t mark_of(const void* core, std::uint64_t seed, std::int64_t now) noexcept {
    const std::uint64_t address = std::hash<const void*>{}(core);
    return SplitMix64::mix(SplitMix64::mix(SplitMix64::mix(address ^ seed) + static_cast<std::uint64_t>(now)) +
                           next_router());
  }

  template <Role role>
  [[nodiscard]] auto& detached() noexcept {
    if constexpr (role == Role::prefill) {
      return detached_prefill;
    } else {
      return detached_decode;
    }
  }

  /// Does what is due at this moment in both roles. Engines are judged by their endpoints in both. No two pools are
  /// locked at once.
  template <class TimePoint>
  [[nodiscard]] auto advance(TimePoint now) {
    EngineRows rows;
    prefill.watch_engines(rows);
    decode.watch_engines(rows);
    prefill.add_rows(rows);
    decode.add_rows(rows);
    auto changes = prefill.advance(now, rows);
    for (auto& change : decode.advance(now, rows)) changes.push_back(std::move(change));
    return changes;
  }

  /// Counts a refusal under its role, and returns it. Out of line, so that choosing is small enough to be inlined into
  /// the caller's loop.
  [[nodiscard, gnu::noinline, gnu::cold]] NoEndpoint refused(const NoEndpoint& reason) noexcept {
    (reason.role == Role::prefill ? refused_prefill : refused_decode).record(reason);
    return reason;
  }

  PrefillPolicy prefill_policy;
  DecodePolicy decode_policy;
  [[no_unique_address]] Clock clock;
  std::uint64_t seed;
  std::uint64_t mark;  // of this router's lease ids and endpoint keys
  Role first;
  std::atomic<std::uint64_t> dispatchers{0};  // made so far; numbers their random streams
  TicketCounter tickets;
  std::shared_ptr<EngineTable> engines;
  typename PrefillLeg::Pool prefill;
  typename DecodeLeg::Pool decode;
  LeaseTable<PrefillLease> detached_prefill;
  LeaseTable<DecodeLease> detached_decode;
  alignas(64) RefusalCounts refused_prefill;  // away from what every route reads
  RefusalCounts refused_decode;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
