// SPDX-License-Identifier: Apache-2.0
// LegFilter and NoFilter: what one leg of a call asks of its endpoints. PairRule: which endpoints fit the one of the
// other leg.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <pdroute/endpoint.hpp>
#include <pdroute/pool/failed_endpoints.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/filter.hpp>
#include <span>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A filter of one leg, and the endpoints that the call excludes in both.
template <EndpointType Endpoint>
struct LegFilter {
  Filter<Endpoint> own = {};
  std::span<const FailedEndpoint> exclude = {};

  LegFilter() = default;
  explicit LegFilter(const Filter<Endpoint>& filter) noexcept : own(filter) {}
  /// The part of a route's filter for one role.
  LegFilter(const RouteFilter<Endpoint>& filter, Role role) noexcept
      : own(role == Role::prefill ? filter.prefill : filter.decode), exclude(filter.exclude) {}

  /// The entry that excludes the endpoint of a slot; null if there is none.
  template <class Slot>
  [[nodiscard]] const FailedEndpoint* excluded(const Slot& slot) const noexcept {
    for (const FailedEndpoint& failed : own.exclude) {
      if (failed.excludes(slot)) return &failed;
    }
    for (const FailedEndpoint& failed : exclude) {
      if (failed.excludes(slot)) return &failed;
    }
    return nullptr;
  }
  /// Whether the endpoint of a slot is among those allowed.
  template <class Slot>
  [[nodiscard]] bool allows(const Slot& slot) const {
    const auto& allowed = own.allowed;
    return (!allowed || std::find(allowed->begin(), allowed->end(), slot.id()) != allowed->end()) &&
           (!own.accept || own.accept(slot.endpoint()));
  }
};

/// The filter of a call that names none, known to the compiler: a role in which all are full is passed over in no more
/// time than a policy takes that reads all loads.
struct NoFilter {
  [[nodiscard]] static constexpr const FailedEndpoint* excluded(const auto& /*slot*/) noexcept { return nullptr; }
  [[nodiscard]] static constexpr bool allows(const auto& /*slot*/) noexcept { return true; }
};

/// Whether an endpoint fits `one`, which plays `role` in the same route. Refers to the filter and to the endpoint.
template <Role role, class Endpoint>
class PairRule {
 public:
  PairRule(const RouteFilter<Endpoint>& filter, const Endpoint& one)
      : filter_(&filter), one_(std::addressof(one)), group_(filter.group ? filter.group(one) : 0) {}

  [[nodiscard]] bool operator()(const Endpoint& other) const {
    if (filter_->group && filter_->group(other) != group_) return false;
    if (!filter_->compatible) return true;
    return role == Role::prefill ? filter_->compatible(*one_, other) : filter_->compatible(other, *one_);
  }

 private:
  const RouteFilter<Endpoint>* filter_;
  const Endpoint* one_;
  std::uint64_t group_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
