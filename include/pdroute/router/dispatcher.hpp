// SPDX-License-Identifier: Apache-2.0
// Routes requests for one thread or event loop.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <pdroute/clock.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/leg.hpp>
#include <pdroute/router/route.hpp>
#include <pdroute/router/route_context.hpp>
#include <pdroute/router/turns.hpp>
#include <utility>

namespace pdroute::inline v0 {

namespace detail {

/// What a router and its dispatchers share; lives as long as any of them.
template <class PrefillPolicy, class DecodePolicy, class Endpoint, class Clock>
struct RouterCore {
  RouterCore(PrefillPolicy prefill_rule, DecodePolicy decode_rule, Clock caller_clock, std::uint64_t router_seed)
      : prefill_policy(std::move(prefill_rule)),
        decode_policy(std::move(decode_rule)),
        clock(std::move(caller_clock)),
        seed(router_seed),
        prefill(Role::prefill, detail::load_options(prefill_policy)),
        decode(Role::decode, detail::load_options(decode_policy)) {}

  PrefillPolicy prefill_policy;
  DecodePolicy decode_policy;
  [[no_unique_address]] Clock clock;
  std::uint64_t seed;
  std::atomic<std::uint64_t> dispatchers{0};  // made so far; numbers their random streams
  Turns turns;
  typename Leg<PrefillPolicy, Endpoint>::Pool prefill;
  typename Leg<DecodePolicy, Endpoint>::Pool decode;
};

}  // namespace detail

template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
class DisaggregatedRouter;

/// Routes requests over a router's endpoints. Make one per thread or event loop by `router.dispatcher()`; it may
/// outlive the router. It holds the snapshot of endpoints that it saw last, and looks for a newer one at each call.
///
/// Cost: choosing and reserving only; no lock, no allocation, no clock read unless a policy asks for the time. The first
/// call after a membership change takes the pool's lock.
///
/// Thread safety: thread-compatible; many dispatchers of one router may work at once. When it fetches a newer snapshot,
/// or is destroyed, it may be the last to let go of removed endpoints and then destroys the library's copies of them.
template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
class Dispatcher {
  using PrefillLeg = detail::Leg<PrefillPolicy, Endpoint>;
  using DecodeLeg = detail::Leg<DecodePolicy, Endpoint>;
  template <class Leg>
  using ContextOf = detail::RouteContext<Clock, typename Leg::State>;

 public:
  using Core = detail::RouterCore<PrefillPolicy, DecodePolicy, Endpoint, Clock>;
  using PrefillLease = Lease<typename PrefillLeg::Slot>;
  using DecodeLease = Lease<typename DecodeLeg::Slot>;
  using Route = pdroute::Route<PrefillLease, DecodeLease>;

  /// For the router; use `router.dispatcher()`.
  explicit Dispatcher(std::shared_ptr<Core> core)
      : Dispatcher(core, core->dispatchers.fetch_add(1, std::memory_order_relaxed)) {}

  // Two dispatchers with the same random stream would choose in lockstep.
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  Dispatcher(Dispatcher&&) = default;
  Dispatcher& operator=(Dispatcher&& other) noexcept {
    Dispatcher taken(std::move(other));
    std::swap(core_, taken.core_);  // what was ours dies with `taken`, in the right order
    std::swap(generator_, taken.generator_);
    std::swap(prefill_, taken.prefill_);
    std::swap(decode_, taken.decode_);
    return *this;
  }
  ~Dispatcher() = default;

  /// One endpoint per role, both reserved; or, if a role has nobody, the reason, and nothing is reserved or recorded.
  /// `Req` is any class; the policies are given it as it is.
  template <RequestType Req = Request>
  Result<Route, NoEndpoint> route(const Req& request = {}) {
    refresh();
    return route_unrefreshed(request);
  }

  /// A prefill endpoint alone, for gateways that choose the two at different moments.
  template <RequestType Req = Request>
  Result<PrefillLease, NoEndpoint> prefill(const Req& request = {}) {
    refresh();
    return prefill_unrefreshed(request);
  }

  /// A decode endpoint alone.
  template <RequestType Req = Request>
  Result<DecodeLease, NoEndpoint> decode(const Req& request = {}) {
    refresh();
    return decode_unrefreshed(request);
  }

  /// Lets go of endpoints that are members no more. Every routing call does so; an idle loop should call it now and
  /// then, because a dispatcher keeps what it saw last alive.
  void refresh() {
    prefill_.refresh();
    decode_.refresh();
  }

 private:
  template <class, class, EndpointType E, CallerClock C>
  friend class DisaggregatedRouter;

  Dispatcher(std::shared_ptr<Core> core, std::uint64_t number)
      : core_(std::move(core)),
        generator_(stream_seed(core_->seed, for_draws | number)),
        prefill_(core_->prefill_policy, core_->prefill, for_prefill | number),
        decode_(core_->decode_policy, core_->decode, for_decode | number) {}

  // A stream's low half numbers the dispatcher. The high half keeps its three generators apart: two random legs with
  // one seed would otherwise draw alike, and p2 would always meet d2.
  static constexpr std::uint64_t for_prefill = 0;
  static constexpr std::uint64_t for_decode = std::uint64_t{1} << 32U;
  static constexpr std::uint64_t for_draws = std::uint64_t{2} << 32U;

  using Legs = detail::Turns::Draw::For;
  using Facts = detail::CallFacts<Clock>;

  /// Like `refresh`, but the caller lets go of what was shown before.
  using OldSnapshots = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
  [[nodiscard]] OldSnapshots exchange() { return {prefill_.exchange(), decode_.exchange()}; }

  [[nodiscard]] Facts facts_for(Legs legs) noexcept {
    return {detail::OneReading<Clock>{core_->clock}, detail::Turns::Draw{core_->turns, legs}, &generator_,
            prefill_.generation() + decode_.generation()};
  }

  // What the public functions do once both legs are up to date.
  template <class Req>
  Result<Route, NoEndpoint> route_unrefreshed(const Req& request) {
    if (prefill_.size() == 0) [[unlikely]]
      return prefill_.nobody();
    if (decode_.size() == 0) [[unlikely]]
      return decode_.nobody();
    auto facts = facts_for(Legs::both);
    auto first = reserve_prefill(request, facts);
    if (!first.lease) [[unlikely]]
      return prefill_.nobody();
    auto second = reserve_decode(request, facts);
    if (!second.lease) [[unlikely]] {
      first.undo();
      facts.turns.undo();
      return decode_.nobody();
    }
    return Route{std::move(first.lease), std::move(second.lease)};
  }
  template <class Req>
  Result<PrefillLease, NoEndpoint> prefill_unrefreshed(const Req& request) {
    auto facts = facts_for(Legs::prefill);
    auto reservation = reserve_prefill(request, facts);
    if (!reservation.lease) [[unlikely]]
      return prefill_.nobody();
    return std::move(reservation.lease);
  }
  template <class Req>
  Result<DecodeLease, NoEndpoint> decode_unrefreshed(const Req& request) {
    auto facts = facts_for(Legs::decode);
    auto reservation = reserve_decode(request, facts);
    if (!reservation.lease) [[unlikely]]
      return decode_.nobody();
    return std::move(reservation.lease);
  }

  template <class Req>
  [[nodiscard]] auto reserve_prefill(const Req& request, Facts& facts) {
    static_assert(check_policy<PrefillPolicy, Candidates<typename PrefillLeg::Slot>, Req, ContextOf<PrefillLeg>>(),
                  "pdroute: the prefill policy does not select over the router's candidates for this request");
    ContextOf<PrefillLeg> context{facts, Role::prefill, prefill_.state(), 0};
    return prefill_.reserve(request, context);
  }
  template <class Req>
  [[nodiscard]] auto reserve_decode(const Req& request, Facts& facts) {
    static_assert(check_policy<DecodePolicy, Candidates<typename DecodeLeg::Slot>, Req, ContextOf<DecodeLeg>>(),
                  "pdroute: the decode policy does not select over the router's candidates for this request");
    // Decode follows prefill, also when the two are chosen by separate calls.
    ContextOf<DecodeLeg> context{facts, Role::decode, decode_.state(), prefill_.size()};
    return decode_.reserve(request, context);
  }

  std::shared_ptr<Core> core_;  // first: the legs let go of slots before the core does
  SplitMix64 generator_;
  PrefillLeg prefill_;
  DecodeLeg decode_;
};

}  // namespace pdroute::inline v0
