// SPDX-License-Identifier: Apache-2.0
// Reads and checks the endpoints that a caller gives: ids, lives, capacities, weights, first states.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/config_error.hpp>
#include <pdroute/detail/endpoint_access.hpp>
#include <pdroute/endpoint.hpp>
#include <pdroute/load/engine_load.hpp>
#include <pdroute/load/limited_count.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// A limit that is zero or too high, or that is on something that the role does not count: on requests unless
/// `counts_requests`, or on a quantity unless `counts<quantity>()`. `whose` ends the value in the error.
template <class Endpoint, class Counts>
[[nodiscard]] std::optional<ConfigError> check_limits(EndpointIdView<Endpoint> id, const Capacity& capacity,
                                                      bool counts_requests, const Counts& counts,
                                                      std::string_view whose) {
  using enum ConfigError::Rule;
  const auto wrong = [&](ConfigError::Rule rule, std::uint64_t value, std::string_view unit) {
    return ConfigError{
        rule, id_text<Endpoint>(id).append(": ").append(std::to_string(value)).append(" ").append(unit).append(whose)};
  };
  if (const auto n = capacity.requests) {
    if (!counts_requests) return wrong(capacity_counted, *n, "requests");
    if (*n == 0 || *n > Capacity::max_requests) return wrong(capacity_in_range, *n, "requests");
  }
  std::optional<ConfigError> error;
  LimitedQuantities::each([&]<QuantityRef quantity>() {
    const auto n = capacity.*quantity.limit;
    if (error || !n) return;
    if (*n == 0) {
      error = wrong(capacity_in_range, *n, quantity.unit);
    } else if (!counts.template operator()<quantity>()) {
      error = wrong(capacity_counted, *n, quantity.unit);
    }
  });
  return error;
}
/// What is wrong with the limits of an endpoint, if anything.
template <class Endpoint, class Load>
[[nodiscard]] std::optional<ConfigError> check_capacity(EndpointIdView<Endpoint> id, const Capacity& capacity) {
  return check_limits<Endpoint>(
      id, capacity, true, []<QuantityRef quantity>() { return counts_quantity<Load, quantity>; }, "");
}
/// What is wrong with the limits of its engine, if anything.
template <class Endpoint, class Load>
[[nodiscard]] std::optional<ConfigError> check_engine_capacity(EndpointIdView<Endpoint> id, const Capacity& capacity) {
  return check_limits<Endpoint>(
      id, capacity, counts_engines<Load>, []<QuantityRef>() { return counts_engines<Load>; }, " of its engine");
}

/// What a list says of one endpoint. Each function of the caller's endpoint type is asked once, so what was checked is
/// what takes effect.
template <EndpointType Endpoint>
struct Listed {
  const Endpoint* endpoint = nullptr;
  EndpointIdView<Endpoint> id = {};
  LifeKey<Endpoint> life_key = {};
  Capacity capacity = {};
  Capacity engine_capacity = {};
  std::uint64_t weight = 1;
  Health health = Health::healthy;
  Intake intake = Intake::accepting;
};

/// Reads one endpoint, or says which rule it breaks.
template <Role role, class Endpoint, class Load>
[[nodiscard]] Result<Listed<Endpoint>, ConfigError> read_endpoint(const Endpoint& endpoint) {
  using enum ConfigError::Rule;
  Listed<Endpoint> listed{.endpoint = std::addressof(endpoint),
                          .id = pdroute::endpoint_id(endpoint),
                          .life_key = detail::life_key(endpoint),
                          .capacity = detail::capacity_of(endpoint, role),
                          .engine_capacity = detail::engine_capacity_of(endpoint)};
  if constexpr (StringLike<EndpointIdView<Endpoint>>) {
    if (listed.id.empty()) return ConfigError{id_not_empty, "an endpoint without an id"};
  }
  if (auto error = check_capacity<Endpoint, Load>(listed.id, listed.capacity)) return std::move(*error);
  if (auto error = check_engine_capacity<Endpoint, Load>(listed.id, listed.engine_capacity)) return std::move(*error);
  if constexpr (IdentifiesEndpoint<Load>) {
    const auto weight = detail::endpoint_weight(endpoint, role);
    if (std::cmp_less(weight, 0) || std::cmp_greater(weight, max_endpoint_weight))
      return ConfigError{endpoint_weight_in_range,
                         id_text<Endpoint>(listed.id).append(": weight ").append(std::to_string(weight))};
    listed.weight = static_cast<std::uint64_t>(weight);
  }
  listed.health = detail::first_health(endpoint, role);
  listed.intake = detail::first_intake(endpoint, role);
  return listed;
}

/// Reads a list. Entries that break a rule are left out and added to `refused`. Of entries that say the same life
/// twice, the first counts; an id that stands for two lives, or is described in two ways, breaks a rule.
template <Role role, class Endpoint, class Load>
[[nodiscard]] std::vector<Listed<Endpoint>> read_endpoints(std::span<const Endpoint> list,
                                                           std::vector<ConfigError>& refused) {
  std::vector<Listed<Endpoint>> all;
  all.reserve(list.size());
  std::unordered_map<EndpointIdView<Endpoint>, std::size_t> seen;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto listed = read_endpoint<role, Endpoint, Load>(list[i]);
    std::optional<ConfigError> error;
    if (!listed) {
      error = std::move(listed.error());
      if (error->rule == ConfigError::Rule::id_not_empty)
        error->value = std::string("endpoint #").append(std::to_string(i));
    } else if (const auto [found, fresh] = seen.emplace(listed->id, all.size()); fresh) {
      all.push_back(std::move(*listed));
    } else if (const Listed<Endpoint>& first = all[found->second];
               !(first.life_key == listed->life_key) || !(first.capacity == listed->capacity) ||
               !(first.engine_capacity == listed->engine_capacity) || first.weight != listed->weight ||
               !detail::repeats(*first.endpoint, list[i])) {
      error = ConfigError{ConfigError::Rule::id_unique, id_text<Endpoint>(listed->id)};
    }
    if (error) {
      error->endpoint = ConfigError::Place{role, i};
      refused.push_back(std::move(*error));
    }
  }
  return all;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
