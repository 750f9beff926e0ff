// SPDX-License-Identifier: Apache-2.0
// Routes requests for one thread or event loop.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/detail/lease_table.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/explain.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/detail/router_core.hpp>
#include <pdroute/router/detail/ticket_counter.hpp>
#include <pdroute/router/filter.hpp>
#include <pdroute/router/route.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {

template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
class DisaggregatedRouter;

/// Routes requests over a router's endpoints. Make one per thread or event loop by `router.dispatcher()`; it may
/// outlive the router. It holds the snapshot of endpoints that it saw last, and looks for a newer one at each call.
///
/// Cost: choosing and reserving only; no lock, no allocation, no clock read unless a policy asks for the time. The
/// first call after a membership change takes the pool's lock.
///
/// Thread safety: thread-compatible; many dispatchers of one router may work at once. When it fetches a newer snapshot,
/// or is destroyed, it may be the last to let go of removed endpoints and then destroys the library's copies of them.
template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
class alignas(64) Dispatcher {  // own cache lines: in a vector of them, neighbours belong to other threads
 public:
  using Core = detail::RouterCore<PrefillPolicy, DecodePolicy, Endpoint, Clock>;
  using PrefillLease = typename Core::PrefillLease;
  using DecodeLease = typename Core::DecodeLease;
  using Route = pdroute::Route<PrefillLease, DecodeLease>;
  using Filter = pdroute::Filter<Endpoint>;            ///< of one leg
  using RouteFilter = pdroute::RouteFilter<Endpoint>;  ///< of a route over both legs

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
    std::swap(first_, taken.first_);
    std::swap(generator_, taken.generator_);
    std::swap(prefill_, taken.prefill_);
    std::swap(decode_, taken.decode_);
    return *this;
  }
  ~Dispatcher() = default;

  /// One endpoint per role, both reserved; or, if a role has nobody, the reason, and nothing is reserved or recorded.
  /// `Req` is any class; the policies are given it as it is.
  template <RequestType Req = Request>
  [[gnu::flatten]] Result<Route, NoEndpoint> route(const Req& request = {}) {
    refresh();
    return route_unrefreshed(request);
  }
  /// The same among the endpoints and pairs that the filter lets pass.
  template <RequestType Req = Request>
  Result<Route, NoEndpoint> route(const Req& request, const RouteFilter& filter) {
    refresh();
    return route_unrefreshed(request, filter);
  }

  /// A prefill endpoint alone, for gateways that choose the two at different moments.
  template <RequestType Req = Request>
  [[gnu::flatten]] Result<PrefillLease, NoEndpoint> prefill(const Req& request = {}) {
    refresh();
    return choose_one(prefill_, request);
  }
  template <RequestType Req = Request>
  Result<PrefillLease, NoEndpoint> prefill(const Req& request, const Filter& filter) {
    refresh();
    return choose_one(prefill_, request, filter);
  }

  /// A decode endpoint alone: for the same gateways, and to try another one after a failure while the prompt that has
  /// been computed is kept, `decode(request, {.exclude = failed})`.
  template <RequestType Req = Request>
  [[gnu::flatten]] Result<DecodeLease, NoEndpoint> decode(const Req& request = {}) {
    refresh();
    return choose_one(decode_, request);
  }
  template <RequestType Req = Request>
  Result<DecodeLease, NoEndpoint> decode(const Req& request, const Filter& filter) {
    refresh();
    return choose_one(decode_, request, filter);
  }

  /// What `route` would choose next and why, if nothing else happens. Nothing is reserved, recorded or changed. For
  /// people and logs: it allocates, and takes the pools' locks.
  template <RequestType Req = Request>
  [[nodiscard]] Explanation<Endpoint> explain(const Req& request = {}, const RouteFilter& filter = {}) const {
    return explain_over(core_->prefill.picture(), core_->decode.picture(), request, filter);
  }

  /// Like the functions of the router, for when that has gone. These two may be called on any thread.
  template <class Slot>
  [[nodiscard]] std::optional<LeaseId> detach(Lease<Slot>&& lease) const noexcept {
    return core_->template detached<Slot::role>().detach(std::move(lease));
  }
  template <Role role>
  [[nodiscard]] auto adopt(LeaseId token) const noexcept {
    return core_->template detached<role>().adopt(token);
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
        first_(core_->first),
        generator_(stream_seed(core_->seed, for_draws | number)),
        prefill_(core_->prefill_policy, core_->prefill, for_prefill | number),
        decode_(core_->decode_policy, core_->decode, for_decode | number) {}

  // A stream's low half numbers the dispatcher. The high half keeps its three generators apart: two random legs with
  // one seed would otherwise draw alike, and p2 would always meet d2.
  static constexpr std::uint64_t for_prefill = 0;
  static constexpr std::uint64_t for_decode = std::uint64_t{1} << 32U;
  static constexpr std::uint64_t for_draws = std::uint64_t{2} << 32U;

  using Legs = detail::TicketCounter::Draw::For;
  using Facts = detail::CallFacts<Clock>;

  /// Like `refresh`, but the caller lets go of what was shown before.
  using OldSnapshots = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
  [[nodiscard]] OldSnapshots exchange() { return {prefill_.exchange(), decode_.exchange()}; }

  [[nodiscard]] Facts facts_for(Legs legs) noexcept {
    return {detail::ReadOnceClock<Clock>{core_->clock}, detail::TicketCounter::Draw{core_->turns, legs}, &generator_,
            prefill_.generation() + decode_.generation()};
  }

  [[nodiscard]] Explanation<Endpoint> explain_over(const auto& prefill, const auto& decode, const auto& request,
                                                   const RouteFilter& filter) const {
    return detail::explain(*core_, generator_, detail::DryRun(prefill_, prefill), detail::DryRun(decode_, decode),
                           request, filter);
  }

  // What the public functions do once both legs are up to date.

  template <class Req>
  Result<Route, NoEndpoint> route_unrefreshed(const Req& request) {
    if (first_ == Role::decode) [[unlikely]]
      return decode_first(request);
    return choose_both(prefill_, decode_, request);
  }
  template <class Req>
  Result<Route, NoEndpoint> route_unrefreshed(const Req& request, const RouteFilter& filter) {
    if (filter.empty()) return route_unrefreshed(request);
    return first_ == Role::decode ? choose_filtered(decode_, prefill_, request, filter)
                                  : choose_filtered(prefill_, decode_, request, filter);
  }
  // Out of line: most gateways choose prefill first, and need not carry both orders where they route.
  template <class Req>
  [[gnu::noinline]] Result<Route, NoEndpoint> decode_first(const Req& request) {
    return choose_both(decode_, prefill_, request);
  }

  template <class First, class Second, class Req>
  [[gnu::always_inline]] inline Result<Route, NoEndpoint> choose_both(First& first, Second& second,
                                                                      const Req& request) {
    if (first.size() == 0) [[unlikely]]
      return refused(first);
    if (second.size() == 0) [[unlikely]]
      return refused(second);
    auto facts = facts_for(Legs::both);
    const auto first_cursor = first.cursor();
    const auto second_cursor = second.cursor();
    auto one = first.reserve(request, facts, 0);
    if (!one.lease) [[unlikely]]
      return take_back(facts, first, first_cursor, refused(first));
    auto other = second.reserve(request, facts, first.size());
    if (!other.lease) [[unlikely]] {
      one.undo();
      first.go_back(first_cursor);
      return take_back(facts, second, second_cursor, refused(second));
    }
    return in_order(one.lease, other.lease);
  }

  template <class First, class Second, class Req>
  [[gnu::noinline]] Result<Route, NoEndpoint> choose_filtered(First& first, Second& second, const Req& request,
                                                              const RouteFilter& filter) {
    auto facts = facts_for(Legs::both);
    const auto first_cursor = first.cursor();
    const auto second_cursor = second.cursor();
    typename Second::Reservation other;
    std::optional<NoEndpoint> second_reason;  // one that more room would cure, if there is any
    bool gave_up = false;
    auto one = first.reserve_among(request, facts, 0, filter_of<First>(filter), typename First::AnyEndpoint{},
                                   [&](const typename First::Reservation& chosen) -> typename First::Verdict {
                                     other = second.reserve_among(
                                         request, facts, first.size(), filter_of<Second>(filter),
                                         [&](const Endpoint& candidate) {
                                           if (!filter.compatible) return true;
                                           return First::role == Role::prefill
                                                      ? filter.compatible(*chosen.lease, candidate)
                                                      : filter.compatible(candidate, *chosen.lease);
                                         },
                                         typename Second::TakeReservation{});
                                     if (other.lease) return First::Verdict::take;
                                     const NoEndpoint reason = second.nobody();
                                     if (!second_reason || reason.overloaded()) second_reason = reason;
                                     gave_up = reason.incompatible == 0;  // another first would rule nobody else out
                                     return gave_up ? First::Verdict::give_up : First::Verdict::try_another;
                                   });
    if (one.lease) return in_order(one.lease, other.lease);
    first.go_back(first_cursor);
    const NoEndpoint first_reason = first.nobody();
    const bool second_to_blame =
        second_reason && (gave_up || second_reason->overloaded() || !first_reason.overloaded());
    return take_back(facts, second, second_cursor,
                     second_to_blame ? refused<Second>(*second_reason) : refused<First>(first_reason));
  }

  template <class Leg, class Req, class... OneFilter>
  [[gnu::always_inline]] inline Result<Lease<typename Leg::Slot>, NoEndpoint> choose_one(Leg& leg, const Req& request,
                                                                                         const OneFilter&... filter) {
    auto facts = facts_for(Leg::role == Role::prefill ? Legs::prefill : Legs::decode);
    // The second leg follows the first, also when the two are chosen by separate calls.
    const std::size_t first_size = Leg::role == first_ ? 0 : first_ == Role::prefill ? prefill_.size() : decode_.size();
    const auto cursor = leg.cursor();
    auto reservation = [&] {
      if constexpr (sizeof...(filter) > 0) {
        if ((!filter.empty() && ...))
          return leg.reserve_among(request, facts, first_size, filter..., typename Leg::AnyEndpoint{},
                                   typename Leg::TakeReservation{});
      }
      return leg.reserve(request, facts, first_size);
    }();
    if (!reservation.lease) [[unlikely]]
      return take_back(facts, leg, cursor, refused(leg));
    return std::move(reservation.lease);
  }

  template <class Leg>
  [[nodiscard]] static const Filter& filter_of(const RouteFilter& filter) noexcept {
    return Leg::role == Role::prefill ? filter.prefill : filter.decode;
  }
  [[nodiscard]] static Route in_order(PrefillLease& prefill, DecodeLease& decode) noexcept {
    return {std::move(prefill), std::move(decode)};
  }
  [[nodiscard]] static Route in_order(DecodeLease& decode, PrefillLease& prefill) noexcept {
    return {std::move(prefill), std::move(decode)};
  }

  // Out of line, so that choosing is small enough to be inlined into the caller's loop.

  /// Takes back the turns that were drawn and what the leg's policy remembers of a choice that came to nothing.
  template <class Leg, class Cursor>
  [[gnu::noinline, gnu::cold]] static NoEndpoint take_back(Facts facts, Leg& leg, const Cursor& cursor,
                                                           const NoEndpoint& reason) noexcept {
    facts.turns.undo();
    leg.go_back(cursor);
    return reason;
  }
  /// Records and returns why the leg has found nobody.
  template <class Leg>
  [[nodiscard, gnu::noinline, gnu::cold]] NoEndpoint refused(const Leg& leg) noexcept {
    return refused<Leg>(leg.nobody());
  }
  template <class Leg>
  [[nodiscard]] NoEndpoint refused(const NoEndpoint& reason) noexcept {
    (Leg::role == Role::prefill ? core_->refused_prefill : core_->refused_decode).record(reason);
    return reason;
  }

  std::shared_ptr<Core> core_;  // first: the legs let go of slots before the core does
  Role first_;
  SplitMix64 generator_;
  typename Core::PrefillLeg prefill_;
  typename Core::DecodeLeg decode_;
};

}  // namespace v0
}  // namespace pdroute
