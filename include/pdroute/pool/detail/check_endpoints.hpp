// SPDX-License-Identifier: Apache-2.0
// Checks of endpoints that a caller gives: ids, capacities, weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/limited_count.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/role.hpp>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A limit that is zero or too high, or a limit on a quantity that the role does not count.
template <class Endpoint, class Load>
[[nodiscard]] std::optional<ConfigError> check_capacity(EndpointIdView<Endpoint> id, const Capacity& capacity) {
  using enum ConfigError::Rule;
  const auto wrong = [&](ConfigError::Rule rule, std::uint64_t value, std::string_view unit) {
    return ConfigError{rule, id_text<Endpoint>(id).append(": ").append(std::to_string(value)).append(" ").append(unit)};
  };
  if (const auto n = capacity.requests) {
    if (*n == 0 || *n > Capacity::max_requests) return wrong(capacity_in_range, *n, "requests");
  }
  std::optional<ConfigError> error;
  LimitedQuantities::each([&]<QuantityRef quantity>() {
    const auto n = capacity.*quantity.limit;
    if (error || !n) return;
    if (*n == 0) {
      error = wrong(capacity_in_range, *n, quantity.unit);
    } else if (!counts_quantity<Load, quantity>) {
      error = wrong(capacity_counted, *n, quantity.unit);
    }
  });
  return error;
}

/// A weight out of range, in a role whose policy reads weights.
template <Role role, class Endpoint, class Load>
[[nodiscard]] std::optional<ConfigError> check_weight(const Endpoint& endpoint) {
  if constexpr (IdentifiesEndpoint<Load>) {
    const auto weight = detail::endpoint_weight(endpoint, role);
    if (std::cmp_less(weight, 1) || std::cmp_greater(weight, max_endpoint_weight)) {
      return ConfigError{
          ConfigError::Rule::endpoint_weight_in_range,
          id_text<Endpoint>(pdroute::endpoint_id(endpoint)).append(": weight ").append(std::to_string(weight))};
    }
  }
  return std::nullopt;
}

/// The first rule that the endpoint's capacity or weight for this role breaks.
template <Role role, class Endpoint, class Load>
[[nodiscard]] std::optional<ConfigError> check_endpoint(const Endpoint& endpoint) {
  if (auto error = check_capacity<Endpoint, Load>(pdroute::endpoint_id(endpoint), detail::capacity_of(endpoint, role)))
    return error;
  return check_weight<role, Endpoint, Load>(endpoint);
}

/// The first rule that the list breaks: an empty id, an id that stands there twice, a capacity or weight out of range.
template <Role role, class Endpoint, class Load>
[[nodiscard]] std::optional<ConfigError> check_endpoints(std::span<const Endpoint> list) {
  using enum ConfigError::Rule;
  using IdView = EndpointIdView<Endpoint>;
  std::unordered_set<IdView> seen;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const ConfigError::Place place{role, i};
    const IdView id = pdroute::endpoint_id(list[i]);
    if constexpr (StringLike<IdView>) {
      if (id.empty()) return ConfigError{id_not_empty, std::string("endpoint #").append(std::to_string(i)), place};
    }
    if (!seen.insert(id).second) return ConfigError{id_unique, id_text<Endpoint>(id), place};
    if (auto error = check_endpoint<role, Endpoint, Load>(list[i])) {
      error->endpoint = place;
      return error;
    }
  }
  return std::nullopt;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
