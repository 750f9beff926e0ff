// SPDX-License-Identifier: Apache-2.0
// DisaggregatedRouter: chooses and reserves a prefill and a decode endpoint for each request.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/pool/lease.hpp>
#include <pdroute/request.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/dispatcher.hpp>
#include <pdroute/router/explanation.hpp>
#include <pdroute/router/router_members.hpp>
#include <pdroute/router/router_options.hpp>
#include <string>
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
class DisaggregatedRouter : public RouterMembers<PrefillPolicy, DecodePolicy, Endpoint, Clock> {
  using Members = RouterMembers<PrefillPolicy, DecodePolicy, Endpoint, Clock>;

 public:
  /// What one thread routes with.
  using Dispatcher = pdroute::Dispatcher<PrefillPolicy, DecodePolicy, Endpoint, Clock>;
  using PrefillLease = typename Dispatcher::PrefillLease;  ///< a request's place on a prefill endpoint
  using DecodeLease = typename Dispatcher::DecodeLease;    ///< a request's place on a decode endpoint
  using Route = typename Dispatcher::Route;                ///< both leases
  using Filter = typename Dispatcher::Filter;              ///< of one leg
  using RouteFilter = typename Dispatcher::RouteFilter;    ///< of a route over both legs
  using IdView = typename Members::IdView;                 ///< the id of an endpoint, cheap to pass
  /// A moment of the router's clock.
  using time_point = typename Members::time_point;

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

 private:
  using Core = typename Members::Core;
  using Members::core_;
  using Members::internal_;

  explicit DisaggregatedRouter(std::shared_ptr<Core> core) : Members(std::move(core)) {}

  template <class Use>
  auto borrow(const Use& use) const {
    return internal_->dispatcher.borrow(use);
  }
};

}  // namespace v0
}  // namespace pdroute
