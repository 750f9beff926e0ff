// SPDX-License-Identifier: Apache-2.0
// Dispatcher: routes requests for one thread. The steps of a request:
// 1. Each leg compares one generation number with the pool's, and fetches a newer snapshot only if they differ.
// 2. The first leg's policy chooses a candidate, and the leg reserves it by one compare-and-swap.
// 3. The second leg does the same. If it finds no endpoint, the first reservation is undone, metrics included.
// 4. The two leases are the route. A refusal is counted, and its reasons are returned.
// 5. With a filter, both legs search together, so that only pairs that fit are made.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/pool/lease_id.hpp>
#include <pdroute/random.hpp>
#include <pdroute/request.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/explain.hpp>
#include <pdroute/router/detail/filtered_route.hpp>
#include <pdroute/router/detail/leg_filter.hpp>
#include <pdroute/router/detail/read_once_clock.hpp>
#include <pdroute/router/detail/route_context.hpp>
#include <pdroute/router/detail/router_core.hpp>
#include <pdroute/router/detail/shared_dispatcher.hpp>
#include <pdroute/router/detail/ticket_counter.hpp>
#include <pdroute/router/detail/verdict.hpp>
#include <pdroute/router/filter.hpp>
#include <pdroute/router/route.hpp>
#include <utility>

namespace pdroute {
inline namespace v0 {

template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
class DisaggregatedRouter;

/// What one thread or event loop routes with; it is not itself an event loop. It holds the snapshot of a router's
/// endpoints that it fetched last, and looks for a newer one at each call. Make one per thread by
/// `router.dispatcher()`; it may outlive the router.
///
/// Complexity: that of the two policies. No lock, no allocation, and no clock read unless a policy asks for the time.
/// The first call after a membership change takes the pool's lock, and may allocate if the role has more members than
/// ever or more than 256. So may `WeightedRoundRobinPolicy` at its first choice after a membership change.
///
/// Thread safety: thread-compatible; many dispatchers of one router may work at once. One that fetches a newer
/// snapshot, or is destroyed, may be the last to let go of removed endpoints and then destroys the library's copies of
/// them.
template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
class alignas(64) Dispatcher {  // own cache lines: in a vector of them, neighbours belong to other threads
 public:
  using Core = detail::RouterCore<PrefillPolicy, DecodePolicy, Endpoint, Clock>;  ///< for the router
  using PrefillLease = typename Core::PrefillLease;         ///< a request's place on a prefill endpoint
  using DecodeLease = typename Core::DecodeLease;           ///< a request's place on a decode endpoint
  using Route = pdroute::Route<PrefillLease, DecodeLease>;  ///< both leases
  using Filter = pdroute::Filter<Endpoint>;                 ///< of one leg
  using RouteFilter = pdroute::RouteFilter<Endpoint>;       ///< of a route over both legs
  using time_point = detail::TimePointOf<Clock>;            ///< a moment of the router's clock

  /// For the router; use `router.dispatcher()`.
  explicit Dispatcher(std::shared_ptr<Core> core)
      : Dispatcher(core, core->dispatchers.fetch_add(1, std::memory_order_relaxed)) {}

  // Two dispatchers with the same random stream would choose in lockstep.
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;
  Dispatcher(Dispatcher&&) = default;  ///< leaves one that can only be assigned to or destroyed
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

  /// One endpoint per role, both reserved; or, if a role has no endpoint, the reason. Then nothing is reserved, and
  /// only the refusal is counted. `Req` is any class; the policies are given the request as it is.
  template <RequestType Req = Request>
  [[gnu::flatten]] Result<Route, NoEndpoint> route(const Req& request = {}) {
    refresh();
    return route_unrefreshed(request);
  }
  /// One endpoint per role, both reserved, among the endpoints and pairs that pass the filter.
  template <RequestType Req = Request>
  Result<Route, NoEndpoint> route(const Req& request, const RouteFilter& filter) {
    refresh();
    return route_unrefreshed(request, filter);
  }

  /// A prefill endpoint alone, for gateways that choose the two endpoints at different moments.
  template <RequestType Req = Request>
  [[gnu::flatten]] Result<PrefillLease, NoEndpoint> prefill(const Req& request = {}) {
    refresh();
    return choose_alone(prefill_, request);
  }
  /// A prefill endpoint alone, among those that pass the filter.
  template <RequestType Req = Request>
  Result<PrefillLease, NoEndpoint> prefill(const Req& request, const Filter& filter) {
    refresh();
    return choose_one(prefill_, request, filter);
  }
  /// A prefill endpoint to go with a decode endpoint that is chosen already; see `decode` with three arguments.
  template <RequestType Req = Request>
  Result<PrefillLease, NoEndpoint> prefill(const Req& request, const RouteFilter& filter, const Endpoint& decode) {
    refresh();
    return choose_one(prefill_, request, filter, decode);
  }

  /// A decode endpoint alone: for gateways that choose the two at different moments, and to try another decode endpoint
  /// after a failure while the computed prompt is kept: `decode(request, {.exclude = failed})`.
  template <RequestType Req = Request>
  [[gnu::flatten]] Result<DecodeLease, NoEndpoint> decode(const Req& request = {}) {
    refresh();
    return choose_alone(decode_, request);
  }
  /// A decode endpoint alone, among those that pass the filter.
  template <RequestType Req = Request>
  Result<DecodeLease, NoEndpoint> decode(const Req& request, const Filter& filter) {
    refresh();
    return choose_one(decode_, request, filter);
  }
  /// A decode endpoint to go with a prefill endpoint that is chosen already, or its copy, among those that pass the
  /// filter and fit it: `decode(request, {.exclude = failed, .compatible = same_group}, prefill)`.
  template <RequestType Req = Request>
  Result<DecodeLease, NoEndpoint> decode(const Req& request, const RouteFilter& filter, const Endpoint& prefill) {
    refresh();
    return choose_one(decode_, request, filter, prefill);
  }

  /// What `route` would choose next and why, if nothing else happens. Nothing is reserved, recorded or changed. For
  /// people and logs: it allocates, and takes the locks of both pools.
  template <RequestType Req = Request>
  [[nodiscard]] Explanation<Endpoint> explain(const Req& request = {}, const RouteFilter& filter = {}) const {
    return explain_over(core_->prefill.view(), core_->decode.view(), request, filter);
  }

  /// Leaves a lease with the router and returns its id, see `DisaggregatedRouter::detach`. May be called on any thread,
  /// also after the router has gone, like `adopt`.
  template <class Slot>
  [[nodiscard]] std::optional<LeaseId> detach(Lease<Slot>&& lease, std::optional<time_point> now = {}) const noexcept {
    return core_->template detached<Slot::role>().detach(std::move(lease), detail::detached_at(now));
  }
  /// The lease that an id names, see `DisaggregatedRouter::adopt`.
  template <Role role>
  [[nodiscard]] auto adopt(LeaseId id) const noexcept {
    return core_->template detached<role>().adopt(id);
  }

  /// Lets go of endpoints that are no longer members. Every routing call does so; an idle loop should call it now and
  /// then, because a dispatcher keeps alive the endpoints of the last snapshot it fetched.
  void refresh() {
    prefill_.refresh();
    decode_.refresh();
  }

 private:
  template <class, class, EndpointType E, CallerClock C>
  friend class DisaggregatedRouter;
  friend class detail::SharedDispatcher<Dispatcher>;

  Dispatcher(std::shared_ptr<Core> core, std::uint64_t number)
      : core_(std::move(core)),
        first_(core_->first),
        generator_(stream_seed(core_->seed, detail::stream_for_draws | number)),
        prefill_(core_->prefill_policy, core_->prefill, core_->seed, number),
        decode_(core_->decode_policy, core_->decode, core_->seed, number) {}

  using Legs = detail::TicketCounter::Draw::Legs;
  using Facts = detail::CallFacts<Clock>;

  /// Refreshes both legs; the caller drops the old snapshots.
  using OldSnapshots = std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>;
  [[nodiscard]] OldSnapshots exchange() { return {prefill_.exchange(), decode_.exchange()}; }

  [[nodiscard]] Facts facts_for(Legs legs) noexcept {
    return {.clock = detail::ReadOnceClock<Clock>{core_->clock},
            .tickets = detail::TicketCounter::Draw{core_->tickets, legs},
            .generator = &generator_,
            .generation = prefill_.generation() + decode_.generation()};
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
  // Out of line: most gateways choose prefill first, and need no code for both orders where they route.
  template <class Req>
  [[gnu::noinline]] Result<Route, NoEndpoint> decode_first(const Req& request) {
    return choose_both(decode_, prefill_, request);
  }

  template <class First, class Second, class Req>
  [[gnu::always_inline]] inline Result<Route, NoEndpoint> choose_both(First& first, Second& second,
                                                                      const Req& request) {
    if (first.empty()) [[unlikely]]
      return core_->refused(first.no_endpoint());
    if (second.empty()) [[unlikely]]
      return core_->refused(second.no_endpoint());
    auto facts = facts_for(Legs::both);
    const auto first_cursor = first.cursor();
    const auto second_cursor = second.cursor();
    auto one = first.choose(request, facts);
    if (!one) [[unlikely]]
      return take_back(
          facts, first, first_cursor,
          core_->refused(detail::reason_without_first(first, second, request, detail::LegFilter<Endpoint>{})));
    facts.first_size = &first.size();
    auto other = second.choose(request, facts);
    if (!other) [[unlikely]] {
      one.undo();
      first.go_back(first_cursor);
      return take_back(facts, second, second_cursor, core_->refused(second.no_endpoint()));
    }
    return detail::in_order<Route>(one.lease, other.lease);
  }

  template <class First, class Second, class Req>
  [[gnu::noinline]] Result<Route, NoEndpoint> choose_filtered(First& first, Second& second, const Req& request,
                                                              const RouteFilter& filter) {
    auto facts = facts_for(Legs::each);
    const auto first_cursor = first.cursor();
    const auto second_cursor = second.cursor();
    auto chosen = detail::choose_filtered(first, second, request, facts, filter);
    if (!chosen.refusal) return detail::in_order<Route>(chosen.first.lease, chosen.second.lease);
    first.go_back(first_cursor);
    return take_back(facts, second, second_cursor, core_->refused(*chosen.refusal));
  }

  template <class Leg, class Req, class... FilterAndPairRule>
  [[gnu::always_inline]] inline Result<Lease<typename Leg::Slot>, NoEndpoint> choose_alone(
      Leg& leg, const Req& request, const FilterAndPairRule&... among) {
    auto facts = facts_for(Leg::role == Role::prefill ? Legs::prefill : Legs::decode);
    // The second leg follows the first, also when the two are chosen by separate calls.
    if (Leg::role != first_) facts.first_size = first_ == Role::prefill ? &prefill_.size() : &decode_.size();
    const auto cursor = leg.cursor();
    auto choice = [&] {
      if constexpr (sizeof...(among) > 0) {
        return leg.choose_among(request, facts, among..., detail::TakeFirst{});
      } else {
        return leg.choose(request, facts);
      }
    }();
    if (!choice) [[unlikely]]
      return take_back(facts, leg, cursor, core_->refused(leg.no_endpoint()));
    return std::move(choice.lease);
  }
  template <class Leg, class Req>
  auto choose_one(Leg& leg, const Req& request, const Filter& filter) {
    return filter.empty() ? choose_alone(leg, request)
                          : choose_alone(leg, request, detail::LegFilter<Endpoint>{filter}, detail::AnyEndpoint{});
  }
  template <class Leg, class Req>
  auto choose_one(Leg& leg, const Req& request, const RouteFilter& filter, const Endpoint& other) {
    return choose_alone(leg, request, detail::LegFilter<Endpoint>{filter, Leg::role},
                        detail::PairRule<Leg::other_role, Endpoint>{filter, other});
  }

  /// Takes back the turns that were drawn, and what the leg's policy remembers of a choice that came to nothing. Out of
  /// line, as choosing must be small enough to be inlined.
  template <class Leg, class Cursor>
  [[gnu::noinline, gnu::cold]] static NoEndpoint take_back(Facts facts, Leg& leg, const Cursor& cursor,
                                                           const NoEndpoint& reason) noexcept {
    facts.tickets.undo();
    leg.go_back(cursor);
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
