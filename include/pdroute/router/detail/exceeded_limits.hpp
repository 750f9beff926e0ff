// SPDX-License-Identifier: Apache-2.0
// exceeded_limits: which limits of an endpoint, and of its engine, leave no room for a request.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/load/engine_load.hpp>
#include <pdroute/load/limited_count.hpp>
#include <pdroute/request.hpp>
#include <pdroute/router/explanation.hpp>
#include <string_view>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The limits that a reservation would exceed now. Counts are read one after the other while requests go on.
template <class Slot, class Request>
[[nodiscard]] std::vector<ExceededLimit> exceeded_limits(const Slot& slot, const Request& request) {
  std::vector<ExceededLimit> exceeded;
  const auto add_if_exceeded = [&](std::string_view name, std::uint64_t asked, std::uint64_t held,
                                   std::optional<std::uint64_t> limit) {
    if (limit && (held > *limit || asked > *limit - held))
      exceeded.push_back({.name = name, .asked = asked, .held = held, .limit = *limit});
  };
  const Capacity capacity = slot.capacity();
  add_if_exceeded("requests", 1, slot.in_flight(), capacity.requests);
  if constexpr (Slot::holds_demand) {
    const Demand demand = detail::demand_of(request, slot.endpoint(), Slot::role);
    LimitedQuantities::each([&]<QuantityRef quantity>() {
      if constexpr (counts_quantity<Slot, quantity>)
        add_if_exceeded(quantity.name, demand.*quantity.demand, static_cast<const LimitedCount<quantity>&>(slot).sum(),
                        capacity.*quantity.limit);
    });
    if constexpr (counts_engines<Slot>) {
      const Capacity engine = slot.engine_capacity();
      add_if_exceeded("requests of its engine", 1, slot.engine_in_flight(), engine.requests);
      add_if_exceeded("tokens of its engine", demand.tokens, slot.engine_tokens(), engine.tokens);
      add_if_exceeded("kv_tokens of its engine", demand.kv_tokens, slot.engine_kv_tokens(), engine.kv_tokens);
    }
  }
  return exceeded;
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
