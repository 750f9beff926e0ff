// SPDX-License-Identifier: Apache-2.0
// Explanation: why this endpoint and not another one. Every member of both roles, what rules it out, what it costs.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/role.hpp>
#include <pdroute/router/detail/cost_text.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {

/// A figure by which a policy compares candidates; less is better.
struct NamedCost {
  std::string name;  ///< as the cost function says, such as "tokens"; "cost" if it does not
  double value = 0;  ///< in the unit of that cost function

  /// "tokens 812"
  [[nodiscard]] std::string text() const { return detail::cost_text(name, value); }

  /// Calls `visit(name, value)` for each field that is not a list; see `Explanation`.
  template <class Visit>
  void each_field(Visit&& visit) const {
    visit("name", std::string_view{name});
    visit("value", value);
  }
};

/// A limit of an endpoint that leaves no room for the request.
struct ExceededLimit {
  std::string_view name;    ///< "requests", or the name of a quantity, such as "kv_tokens"
  std::uint64_t asked = 0;  ///< what the request would hold
  std::uint64_t held = 0;   ///< what all leases hold now
  std::uint64_t limit = 0;  ///< the most that leases may hold

  /// "7000 of 8000 kv_tokens held, 3000 asked"
  [[nodiscard]] std::string text() const {
    return std::to_string(held)
        .append(" of ")
        .append(std::to_string(limit))
        .append(" ")
        .append(name)
        .append(" held, ")
        .append(std::to_string(asked))
        .append(" asked");
  }

  /// Calls `visit(name, value)` for each field that is not a list; see `Explanation`.
  template <class Visit>
  void each_field(Visit&& visit) const {
    visit("name", name);
    visit("asked", asked);
    visit("held", held);
    visit("limit", limit);
  }
};

/// One member of a role, eligible or not.
template <EndpointType Endpoint>
struct ExplainedEndpoint {
  EndpointId<Endpoint> id;        ///< as the caller named it
  std::uint64_t incarnation = 0;  ///< which life of it
  std::uint32_t in_flight = 0;    ///< leases that have not ended
  /// The first reason that rules it out, by its name among the counts of `NoEndpoint`; empty if none does. An endpoint
  /// that is full may still have been compared, and have costs.
  std::string_view ruled_out = {};
  /// What would rule it out if enough other members served: "unhealthy" (fail open) or "ejected" (panic); else empty.
  std::string_view spared = {};
  bool chosen = false;  ///< whether `route` would choose it
  /// As the policy told them when it was asked last, in its order. Empty if it tells none, or did not compare this
  /// endpoint.
  std::vector<NamedCost> costs = {};
  /// If it is at its capacity or the request is too large for it: the limits that the request would exceed. Empty if it
  /// is full for another reason, see `NoEndpoint`.
  std::vector<ExceededLimit> exceeded = {};

  /// What rules it out and what it costs: "full (1 of 1 requests held, 1 asked)", "tokens 812, in_flight 3", or empty
  [[nodiscard]] std::string text() const {
    std::string said{ruled_out};
    if (!spared.empty()) said.append(said.empty() ? "" : ", ").append(spared).append(", but spared");
    for (const ExceededLimit& limit : exceeded)
      said.append(&limit == exceeded.data() ? " (" : "; ").append(limit.text());
    if (!exceeded.empty()) said.append(")");
    for (const NamedCost& cost : costs) said.append(said.empty() ? "" : ", ").append(cost.text());
    return said;
  }

  /// Calls `visit(name, value)` for each field that is not a list; see `Explanation`.
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
    visit("spared", spared);
    visit("chosen", chosen);
  }
};

/// One role: every member, and why the chosen one is chosen.
template <EndpointType Endpoint>
struct ExplainedRole {
  Role role = Role::prefill;  ///< of the members
  /// Why the chosen one ("lowest cost of 4"), or why there is none ("none: 2 unhealthy, 1 full of 3").
  std::string why;
  std::vector<ExplainedEndpoint<Endpoint>> endpoints;  ///< all members, in registration order

  /// The chosen endpoint; null if there is none.
  [[nodiscard]] const ExplainedEndpoint<Endpoint>* chosen() const noexcept {
    const auto found = std::find_if(endpoints.begin(), endpoints.end(), [](const auto& each) { return each.chosen; });
    return found == endpoints.end() ? nullptr : &*found;
  }

  /// Several lines:
  ///
  ///     prefill: p1, lowest cost of 2
  ///       p0  tokens 812
  ///       p1  tokens 40   <- chosen
  ///       p2  unhealthy
  [[nodiscard]] std::string text() const {
    std::string all{to_string(role)};
    all.append(": ");
    if (const auto* const winner = chosen()) all.append(detail::id_text<Endpoint>(winner->id)).append(", ");
    all.append(why);
    std::vector<std::pair<std::string, std::string>> rows;
    std::size_t id_width = 0;
    std::size_t width = 0;
    for (const auto& endpoint : endpoints) {
      rows.emplace_back(detail::id_text<Endpoint>(endpoint.id), endpoint.text());
      id_width = std::max(id_width, rows.back().first.size());
      width = std::max(width, rows.back().second.size());
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      auto& [id, said] = rows[i];
      if (endpoints[i].chosen) {
        said.resize(width, ' ');
        said.append(width > 0 ? "  " : "").append("<- chosen");
      }
      if (!said.empty()) id.resize(id_width, ' ');
      all.append("\n  ").append(id).append(said.empty() ? "" : "  ").append(said);
    }
    return all;
  }

  /// Calls `visit(name, value)` for each field that is not a list; see `Explanation`.
  template <class Visit>
  void each_field(Visit&& visit) const {
    visit("role", std::string_view{to_string(role)});
    visit("why", std::string_view{why});
  }
};

/// What the next `route` would choose, and why; see `Dispatcher::explain`. Owns all its texts and lists.
///
/// For JSON, logs and the like, each level has `each_field(visit)`, which calls `visit(name, value)` for each field
/// that is not a list. `name` needs no escaping. `value` is a std::string_view (escape it), std::uint64_t, std::int64_t
/// (signed ids), double or bool. A double may be infinite or NaN, which JSON cannot express. The lists are `endpoints`
/// of a role, and `costs` and `exceeded` of an endpoint.
template <EndpointType Endpoint>
struct Explanation {
  /// The prefill endpoints.
  ExplainedRole<Endpoint> prefill = {.role = Role::prefill, .why = {}, .endpoints = {}};
  /// The decode endpoints.
  ExplainedRole<Endpoint> decode = {.role = Role::decode, .why = {}, .endpoints = {}};
  std::optional<NoEndpoint> refusal = {};  ///< what `route` would return instead of leases; no endpoint is chosen then

  /// Both roles, as `ExplainedRole::text` gives them.
  [[nodiscard]] std::string text() const { return prefill.text().append("\n").append(decode.text()); }

  /// Calls `visit(name, value)` for each field that is not a list; see `Explanation`.
  template <class Visit>
  void each_field(Visit&& visit) const {
    visit("refused", refusal.has_value());
    visit("overloaded", refusal && refusal->overloaded());
  }
};

}  // namespace v0
}  // namespace pdroute
