// SPDX-License-Identifier: Apache-2.0
// RouterMembers: which endpoints a router has in each role, their states, and what is due for them as time passes.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/pool/endpoint_status.hpp>
#include <pdroute/pool/outlier_detection.hpp>
#include <pdroute/pool/role_change.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/dispatcher.hpp>
#include <pdroute/router/refusals.hpp>
#include <span>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// The members of both roles of a `DisaggregatedRouter`, which inherits these functions.
/// Thread safety: all members may be called from many threads at once.
template <class PrefillPolicy, class DecodePolicy, EndpointType Endpoint, CallerClock Clock>
class RouterMembers {
  using Dispatcher = pdroute::Dispatcher<PrefillPolicy, DecodePolicy, Endpoint, Clock>;

 public:
  using IdView = EndpointIdView<Endpoint>;              ///< the id of an endpoint, cheap to pass
  using InstanceView = EndpointInstanceView<Endpoint>;  ///< what names an engine, cheap to pass
  /// A moment of the router's clock.
  using time_point = typename Dispatcher::time_point;

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

  /// Sets whether an engine works: all its endpoints, in both roles. An engine is named by what `EndpointTraits` says
  /// of its instance, or else by the id of its endpoint. Returns how many endpoints it has. O(members), or O(1) on
  /// average if the id names the engine.
  std::size_t set_health(InstanceView engine, Health health) {
    const std::lock_guard lock{internal_->states};
    const std::size_t in_prefill = core_->prefill.set_engine_health(engine, health);
    return states_changed(in_prefill + core_->decode.set_engine_health(engine, health));
  }
  /// Sets whether one endpoint works in this role, such as one rank of an engine. False: the role does not have this
  /// id. O(1) on average.
  bool set_health(Role role, IdView id, Health health) {
    const std::lock_guard lock{internal_->states};
    return states_changed(role == Role::prefill ? core_->prefill.set_health(id, health)
                                                : core_->decode.set_health(id, health));
  }

  /// Sets whether the endpoint takes new requests in this role. False: the role does not have this id. O(1) on average.
  bool set_intake(Role role, IdView id, Intake intake) {
    const std::lock_guard lock{internal_->states};
    return states_changed(role == Role::prefill ? core_->prefill.set_intake(id, intake)
                                                : core_->decode.set_intake(id, intake));
  }
  /// Sets whether an engine takes new requests, in both roles. Returns how many endpoints it has; see `set_health`.
  std::size_t set_intake(InstanceView engine, Intake intake) {
    const std::lock_guard lock{internal_->states};
    const std::size_t in_prefill = core_->prefill.set_engine_intake(engine, intake);
    return states_changed(in_prefill + core_->decode.set_engine_intake(engine, intake));
  }

  /// Pauses the endpoint in this role for a time, such as that of a Retry-After, or lets it take bound sessions only;
  /// with `Intake::accepting`, ends that at once. The first `advance` after the time ends it, so neither a lost timer
  /// nor a clock that steps back can make it last. A paused endpoint counts as full, as room is to be expected. False:
  /// the role does not have this id. O(1) on average.
  bool set_intake(Role role, IdView id, Intake intake, std::chrono::nanoseconds time) {
    if (intake == Intake::accepting) return set_intake(role, id, intake);
    const std::lock_guard lock{internal_->states};
    const time_point now = core_->clock.now();
    return states_changed(role == Role::prefill ? core_->prefill.set_intake(id, intake, now, time)
                                                : core_->decode.set_intake(id, intake, now, time));
  }
  /// The same for an engine, in both roles. Returns how many endpoints it has; see `set_health`.
  std::size_t set_intake(InstanceView engine, Intake intake, std::chrono::nanoseconds time) {
    if (intake == Intake::accepting) return set_intake(engine, intake);
    const std::lock_guard lock{internal_->states};
    const time_point now = core_->clock.now();
    const std::size_t in_prefill = core_->prefill.set_engine_intake(engine, intake, now, time);
    return states_changed(in_prefill + core_->decode.set_engine_intake(engine, intake, now, time));
  }

  /// Refuses new leases for this life of the endpoint in this role. Draining is final, unlike HAProxy's drain state: to
  /// bring the endpoint back, give it another incarnation key; without keys, assign a list without it and then one with
  /// it. False: the role does not have this id. O(1) on average.
  bool drain(Role role, IdView id) {
    return states_changed(role == Role::prefill ? core_->prefill.drain(id) : core_->decode.drain(id));
  }
  /// Refuses new leases on an engine, in both roles: all its endpoints drain, in their present lives. Returns how many
  /// there are; see `set_health`.
  std::size_t drain(InstanceView engine) {
    const std::lock_guard lock{internal_->states};  // so that no endpoint changes its role in between
    const std::size_t in_prefill = core_->prefill.drain_engine(engine);
    return states_changed(in_prefill + core_->decode.drain_engine(engine));
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
    return changed(core_->advance(detail::in_range(now)));
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

 protected:
  using Core = typename Dispatcher::Core;  ///< what all dispatchers of the router share
  /// What the router needs for itself, at one address although the router may be moved.
  struct Internal {
    /// Held while an endpoint changes its role: a health or intake set between leaving and joining would otherwise be
    /// lost. Recursive, because an endpoint's destructor may call the router.
    std::recursive_mutex states;
    detail::SharedDispatcher<Dispatcher> dispatcher;  ///< for callers without one of their own

    /// Belongs to the router with this core.
    explicit Internal(std::shared_ptr<Core> core) : dispatcher(std::move(core)) {}
  };

  /// For the router.
  explicit RouterMembers(std::shared_ptr<Core> core)
      : core_(std::move(core)), internal_(std::make_unique<Internal>(core_)) {}

  /// Passes on the result of a call that may have changed the candidates.
  template <class Value>
  Value changed(Value value) {
    internal_->dispatcher.follow();
    return value;
  }
  /// Passes on the result of a call that may have changed the state of members, and has removed none.
  template <class Value>
  Value states_changed(Value value) {
    internal_->dispatcher.follow_states();
    return value;
  }

  std::shared_ptr<Core> core_;          ///< shared with dispatchers and leases
  std::unique_ptr<Internal> internal_;  ///< its own

 private:
  static RoleChange change_role(auto& from, auto& to, IdView id, LastEndpoint last) {
    if (to.active(id)) return RoleChange::already_there;
    const auto departing = from.leave(id, last, [&](const Endpoint& endpoint) { return to.fits(endpoint); });
    if (departing.change == RoleChange::done)
      static_cast<void>(to.join(departing));  // false: a concurrent `assign` has already added it
    return departing.change;
  }
};

}  // namespace v0
}  // namespace pdroute
