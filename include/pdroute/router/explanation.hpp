// SPDX-License-Identifier: Apache-2.0
// Why this endpoint and not another one: every member of both roles, what rules it out, what it costs.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace pdroute::inline v0 {

/// A figure by which a policy compares candidates, less is better.
struct NamedCost {
  std::string name;  ///< as the cost function says, such as "tokens"; "cost" if it does not
  double value = 0;

  template <class Visit>
  void each_field(Visit&& visit) const {
    visit("name", std::string_view{name});
    visit("value", value);
  }
};

/// One member of a role, eligible or not.
template <EndpointType Endpoint>
struct ExplainedEndpoint {
  EndpointId<Endpoint> id;
  std::uint64_t incarnation = 0;
  std::uint32_t in_flight = 0;
  /// The first that rules it out, by its name among the counts of `NoEndpoint`; empty if nothing does. One that is full
  /// may still have been looked at, and have costs.
  std::string_view ruled_out = {};
  bool chosen = false;
  /// As the policy told them when it was asked last, in its order. None if it tells none, or did not look at this one.
  std::vector<NamedCost> costs = {};

  template <class Visit>
  void each_field(Visit&& visit) const {
    if constexpr (std::integral<EndpointId<Endpoint>>) {
      visit("id",
            static_cast<std::conditional_t<std::is_signed_v<EndpointId<Endpoint>>, std::int64_t, std::uint64_t>>(id));
    } else {
      visit("id", std::string_view{id});
    }
    visit("incarnation", incarnation);
    visit("in_flight", std::uint64_t{in_flight});
    visit("ruled_out", ruled_out);
    visit("chosen", chosen);
  }
};

template <EndpointType Endpoint>
struct ExplainedRole {
  Role role = Role::prefill;
  /// Why the chosen one ("lowest cost of 4"), or why there is none ("nobody: 2 unhealthy, 1 full of 3").
  std::string why;
  std::vector<ExplainedEndpoint<Endpoint>> endpoints;  ///< all members, in registration order

  /// Null if there is none.
  [[nodiscard]] const ExplainedEndpoint<Endpoint>* chosen() const noexcept {
    const auto found = std::find_if(endpoints.begin(), endpoints.end(), [](const auto& each) { return each.chosen; });
    return found == endpoints.end() ? nullptr : &*found;
  }

  template <class Visit>
  void each_field(Visit&& visit) const {
    visit("role", std::string_view{to_string(role)});
    visit("why", std::string_view{why});
  }
};

/// What the next `route` would choose, and why; see `Dispatcher::explain`. Owns everything that it says.
///
/// For JSON, logs and the like, each level has `each_field(visit)`, which calls `visit(name, value)` for what is not a
/// list: `name` is text that needs no escaping, `value` a std::string_view (as it is: escape it), std::uint64_t, double
/// or bool; std::int64_t for ids that are signed. The lists are `endpoints` of a role and `costs` of an endpoint.
template <EndpointType Endpoint>
struct Explanation {
  ExplainedRole<Endpoint> prefill = {.role = Role::prefill, .why = {}, .endpoints = {}};
  ExplainedRole<Endpoint> decode = {.role = Role::decode, .why = {}, .endpoints = {}};
  std::optional<NoEndpoint> refusal = {};  ///< what `route` would return instead of leases; then nobody is chosen

  template <class Visit>
  void each_field(Visit&& visit) const {
    visit("refused", refusal.has_value());
    visit("overloaded", refusal && refusal->overloaded());
  }
};

}  // namespace pdroute::inline v0
