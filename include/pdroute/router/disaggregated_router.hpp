// SPDX-License-Identifier: Apache-2.0
// DisaggregatedRouter: chooses and reserves a prefill and a decode endpoint for each request.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/role_change.hpp>
#include <pdroute/request.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/dispatcher.hpp>
#include <pdroute/router/explanation.hpp>
#include <pdroute/router/refusals.hpp>
#include <pdroute/router/router_options.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// Chooses a prefill and a decode endpoint for each request, by one policy per role, and counts them until their leases
/// end. An endpoint that is in both lists plays both roles; each role counts it on its own. A router serves one model:
/// a gateway with several models keeps one router for each.
///
/// Endpoints are the caller's own type (see `EndpointTraits`) and are copied in; the clock is the caller's. No I/O, no
/// threads.
///
/// Thread safety: all members may be called from many threads at once, except moving and destroying the router.
/// Dispatchers and leases may outlive it.
template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock = std::chrono::steady_clock>
class DisaggregatedRouter {
 public:
  /// What one thread routes with.
  using Dispatcher = pdroute::Dispatcher<PrefillPolicy, DecodePolicy, Endpoint, Clock>;
  using PrefillLease = typename Dispatcher::PrefillLease;  ///< a request's place on a prefill endpoint
  using DecodeLease = typename Dispatcher::DecodeLease;    ///< a request's place on a decode endpoint
  using Route = typename Dispatcher::Route;                ///< both leases
  using Filter = typename Dispatcher::Filter;              ///< of one leg
  using RouteFilter = typename Dispatcher::RouteFilter;    ///< of a route over both legs
  using IdView = EndpointIdView<Endpoint>;                 ///< the id of an endpoint, cheap to pass
  /// A moment of the router's clock.
  using time_point = typename Dispatcher::time_point;

  using Options = RouterOptions<PrefillPolicy, DecodePolicy, Endpoint, Clock>;  ///< what it is created from

  /// A router, or the first rule that the options break.
  [[nodiscard]] static Result<DisaggregatedRouter, ConfigError> create(Options options) {
    if (auto error = detail::check_configuration(options.prefill_policy)) return std::move(*error);
    if (auto error = detail::check_configuration(options.decode_policy)) return std::move(*error);
    if (options.detached_leases > Core::max_detached_leases)
      return ConfigError{ConfigError::Rule::detached_leases_in_range, std::to_string(options.detached_leases)};
    if (auto error = options.outlier_detection.check()) return std::move(*error);
    if (auto error = options.slow_start.check()) return std::move(*error);
    auto core = std::make_shared<Core>(std::move(options.prefill_policy), std::move(options.decode_policy),
                                       std::move(options.clock), options.seed, options.first, options.detached_leases,
                                       options.outlier_detection, options.slow_start);
    for (const Role role : {Role::prefill, Role::decode}) {
      auto assigned =
          role == Role::prefill ? core->prefill.assign(options.prefill) : core->decode.assign(options.decode);
      if (!assigned) return std::move(assigned.error());
      if (!assigned->refused.empty()) return std::move(assigned->refused.front());
    }
    return DisaggregatedRouter(std::move(core));
  }

  /// A dispatcher for one thread or event loop: the way to route at full speed.
  [[nodiscard]] Dispatcher dispatcher() const { return Dispatcher{core_}; }

  /// Routes without a dispatcher of the caller's own, by an internal one under a lock: callers wait for each other. For
  /// light use; see `Dispatcher::route` for what it returns.
  template <RequestType Req = Request>
  auto route(const Req& request = {}) {
    return borrow([&](Dispatcher& dispatcher) { return dispatcher.route_unrefreshed(request); });
  }
  /// Routes among the endpoints and pairs that pass the filter, by the internal dispatcher.
  template <RequestType Req = Request>
  auto route(const Req& request, const RouteFilter& filter) {
    return borrow([&](Dispatcher& dispatcher) { return dispatcher.route_unrefreshed(request, filter); });
  }
  /// Chooses a prefill endpoint alone, by the internal dispatcher; see `Dispatcher::prefill`.
  template <RequestType Req = Request>
  auto prefill(const Req& request = {}, const Filter& filter = {}) {
    return borrow([&](Dispatcher& dispatcher) { return dispatcher.choose_one(dispatcher.prefill_, request, filter); });
  }
  /// Chooses a prefill endpoint to go with a decode endpoint, by the internal dispatcher; see `Dispatcher::prefill`.
  template <RequestType Req = Request>
  auto prefill(const Req& request, const RouteFilter& filter, const Endpoint& decode) {
    return borrow([&](Dispatcher& by) { return by.choose_one(by.prefill_, request, filter, decode); });
  }
  /// Chooses a decode endpoint alone, by the internal dispatcher; see `Dispatcher::decode`.
  template <RequestType Req = Request>
  auto decode(const Req& request = {}, const Filter& filter = {}) {
    return borrow([&](Dispatcher& dispatcher) { return dispatcher.choose_one(dispatcher.decode_, request, filter); });
  }

  /// Chooses a decode endpoint to go with a prefill endpoint, by the internal dispatcher; see `Dispatcher::decode`.
  template <RequestType Req = Request>
  auto decode(const Req& request, const RouteFilter& filter, const Endpoint& prefill) {
    return borrow([&](Dispatcher& by) { return by.choose_one(by.decode_, request, filter, prefill); });
  }

  /// What the internal dispatcher would choose next, and why; see `Dispatcher::explain`.
  template <RequestType Req = Request>
  [[nodiscard]] Explanation<Endpoint> explain(const Req& request = {}, const RouteFilter& filter = {}) const {
    const auto prefill = core_->prefill.view();  // outlive the lock, because dropping them may destroy endpoints
    const auto decode = core_->decode.view();
    return borrow(
        [&](const Dispatcher& dispatcher) { return dispatcher.explain_over(prefill, decode, request, filter); });
  }

  /// Leaves a lease with the router and returns its id, to be adopted later, once, on any thread. If there is no room
  /// (`Options::detached_leases`) or the lease has ended, the lease stays where it is and there is no id. A detached
  /// lease counts like any other; it is cancelled when the router and all its dispatchers have gone. Say when, for
  /// `detached` to find leases whose ids were lost.
  template <class Slot>
  [[nodiscard]] std::optional<LeaseId> detach(Lease<Slot>&& lease, std::optional<time_point> now = {}) const noexcept {
    return core_->template detached<Slot::role>().detach(std::move(lease), detail::detached_at(now));
  }
  /// The lease that an id names, or why there is none: `router.adopt<Role::decode>(id)`.
  template <Role role>
  [[nodiscard]] auto adopt(LeaseId id) const noexcept {
    return core_->template detached<role>().adopt(id);
  }

  /// The ids of a role's leases that were detached at or before this time and not adopted, to have lost ones back:
  ///
  ///     for (pdroute::LeaseId id : router.detached<Role::decode>(clock.now() - 10min))
  ///       if (auto lease = router.adopt<Role::decode>(id)) lease->fail(pdroute::FailureKind::timed_out);
  ///
  /// Without a time, the ids of all; a lease that was detached without a time is only among these. If the id comes
  /// after all, exactly one of the two gets the lease. Allocates. O(`Options::detached_leases`).
  template <Role role>
  [[nodiscard]] std::vector<LeaseId> detached(std::optional<time_point> until = {}) const {
    return core_->template detached<role>().ids(detail::detached_at(until));
  }

  /// Makes a role's members be exactly those of `list`; see `EndpointPool::assign`.
  Result<Assignment<Endpoint>, ConfigError> assign(Role role, std::span<const Endpoint> list) {
    return changed(role == Role::prefill ? core_->prefill.assign(list) : core_->decode.assign(list));
  }

  /// Adds one endpoint to a role; see `EndpointPool::add`.
  std::optional<ConfigError> add(Role role, const Endpoint& endpoint) {
    return changed(role == Role::prefill ? core_->prefill.add(endpoint) : core_->decode.add(endpoint));
  }
  /// Takes over what has changed of one endpoint of a role; see `EndpointPool::update`.
  std::optional<ConfigError> update(Role role, const Endpoint& endpoint) {
    return changed(role == Role::prefill ? core_->prefill.update(endpoint) : core_->decode.update(endpoint));
  }
  /// Removes one endpoint from a role; see `EndpointPool::remove`.
  bool remove(Role role, IdView id) {
    return changed(role == Role::prefill ? core_->prefill.remove(id) : core_->decode.remove(id));
  }

  /// Sets whether the endpoint works, in every role that it plays. False: no role has this id. O(1) on average.
  bool set_health(IdView id, Health health) {
    const std::lock_guard lock{internal_->states};
    const bool in_prefill = core_->prefill.set_health(id, health);
    const bool in_decode = core_->decode.set_health(id, health);
    return changed(in_prefill || in_decode);
  }

  /// Sets whether the endpoint takes new requests in this role. False: the role does not have this id. O(members).
  bool set_intake(Role role, IdView id, Intake intake) {
    const std::lock_guard lock{internal_->states};
    return changed(role == Role::prefill ? core_->prefill.set_intake(id, intake)
                                         : core_->decode.set_intake(id, intake));
  }

  /// Pauses the endpoint in this role for a time, such as that of a Retry-After; or, with `Intake::accepting`, ends a
  /// pause. The first `advance` after that time ends the pause, so a lost timer cannot make it last. Until then the
  /// endpoint counts as full, because room is to be expected. False: the role does not have this id. O(1) on average.
  bool set_intake(Role role, IdView id, Intake intake, std::chrono::nanoseconds time) {
    if (intake == Intake::accepting) return set_intake(role, id, intake);
    const std::lock_guard lock{internal_->states};
    const time_point now = core_->clock.now();
    return changed(role == Role::prefill ? core_->prefill.pause(id, now, time) : core_->decode.pause(id, now, time));
  }

  /// Refuses new leases for this life of the endpoint in this role. Draining is final, unlike HAProxy's drain state: to
  /// bring the endpoint back, give it another incarnation key; without keys, assign a list without it and then one with
  /// it. False: the role does not have this id. O(1) on average.
  bool drain(Role role, IdView id) {
    return changed(role == Role::prefill ? core_->prefill.drain(id) : core_->decode.drain(id));
  }

  /// Lets an endpoint play the other role from now on: it drains in its present role, where its leases stay as they
  /// are, and joins role `to` with its health and intake.
  ///
  /// The endpoint stays listed in its old role until it returns there or that role is assigned a list. A list without
  /// it removes it; a list with it takes it back, because a list says what the members are. So change your lists, too.
  /// The last eligible endpoint of a role stays there unless `last` says to take it. If copying the endpoint throws in
  /// between, it drains and has not joined. O(members).
  RoleChange change_role(IdView id, Role to, LastEndpoint last = LastEndpoint::keep) {
    const std::lock_guard lock{internal_->states};
    return changed(to == Role::decode ? change_role(core_->prefill, core_->decode, id, last)
                                      : change_role(core_->decode, core_->prefill, id, last));
  }

  /// Sets the limits of an endpoint in this role, at once; see `EndpointPool::set_capacity`. O(members).
  std::optional<ConfigError> set_capacity(Role role, IdView id, const Capacity& capacity) {
    return role == Role::prefill ? core_->prefill.set_capacity(id, capacity) : core_->decode.set_capacity(id, capacity);
  }

  /// Does what outlier detection says is due at this moment of the router's clock: endpoints that keep failing are
  /// ejected, those whose ejection is over are probed, those that work serve again. Returns the endpoints whose phase
  /// has changed. Call it about once a second, by a timer or between requests. O(members).
  std::vector<EjectionChange<Endpoint>> advance(time_point now) {
    now = detail::in_range(now);
    detail::EngineRows rows;
    core_->prefill.add_rows(rows);
    core_->decode.add_rows(rows);
    auto changes = core_->prefill.advance(now, rows);
    for (auto& change : core_->decode.advance(now, rows)) changes.push_back(std::move(change));
    return changed(std::move(changes));
  }

  /// Takes what an engine reports of itself (ORCA calls it a load report), in a role whose policy reads reports.
  /// `made_at` is a moment of the router's clock; a moment in the future counts as now. Figures older than known ones
  /// are ignored. Returns what is wrong, if anything: the role does not have this id, a figure is out of range, no cost
  /// and no limit of the role reads any of the figures, or the report is older than `stale_after`. Then nothing has
  /// changed. O(members).
  template <Role role>
  std::optional<ConfigError> report(IdView id, const EngineReport& report, time_point made_at) {
    const time_point now = core_->clock.now();
    made_at = detail::in_range(std::min(made_at, now));
    if constexpr (role == Role::prefill) {
      return core_->prefill.report(id, report, made_at, now);
    } else {
      return core_->decode.report(id, report, made_at, now);
    }
  }

  /// The members of a role in registration order.
  [[nodiscard]] std::vector<EndpointStatus<Endpoint>> endpoints(Role role) const {
    return role == Role::prefill ? core_->prefill.endpoints() : core_->decode.endpoints();
  }

  /// One member of a role, if the role has this id; for example to wait until it has `drained()`. O(members).
  [[nodiscard]] std::optional<EndpointStatus<Endpoint>> endpoint(Role role, IdView id) const {
    return role == Role::prefill ? core_->prefill.endpoint(id) : core_->decode.endpoint(id);
  }

  /// How often a role had no endpoint, and why, over all dispatchers.
  [[nodiscard]] Refusals refusals(Role role) const {
    return (role == Role::prefill ? core_->refused_prefill : core_->refused_decode).so_far();
  }

 private:
  using Core = typename Dispatcher::Core;
  struct Internal {
    /// Held while an endpoint changes its role: a health or intake set between leaving and joining would otherwise be
    /// lost. Recursive, because an endpoint's destructor may call the router.
    std::recursive_mutex states;
    detail::SharedDispatcher<Dispatcher> dispatcher;

    explicit Internal(std::shared_ptr<Core> core) : dispatcher(std::move(core)) {}
  };

  explicit DisaggregatedRouter(std::shared_ptr<Core> core)
      : core_(std::move(core)), internal_(std::make_unique<Internal>(core_)) {}

  static RoleChange change_role(auto& from, auto& to, IdView id, LastEndpoint last) {
    if (to.active(id)) return RoleChange::already_there;
    const auto departing = from.leave(id, last, [&](const Endpoint& endpoint) { return to.fits(endpoint); });
    if (departing.change == RoleChange::done)
      static_cast<void>(to.join(departing));  // false: a concurrent `assign` has already added it
    return departing.change;
  }

  template <class Use>
  auto borrow(const Use& use) const {
    return internal_->dispatcher.borrow(use);
  }
  /// Passes on the result of a call that may have changed the candidates.
  template <class Value>
  Value changed(Value value) {
    internal_->dispatcher.follow();
    return value;
  }

  std::shared_ptr<Core> core_;
  std::unique_ptr<Internal> internal_;
};

}  // namespace v0
}  // namespace pdroute
