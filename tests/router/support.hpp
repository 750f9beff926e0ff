// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of router/: policies that a test controls, and short ways to read a router.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <pdroute/capacity.hpp>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>
#include <vector>

/// An endpoint with the fields that filters and limits read.
struct Node {
  std::string id;
  char group = 'a';
  pdroute::Capacity capacity = {};
};
using Nodes = std::vector<Node>;

/// `prefix`0, `prefix`1, ..., all alike.
inline Nodes nodes(const std::string& prefix, std::size_t count, const pdroute::Capacity& capacity = {}) {
  Nodes list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({prefix + std::to_string(i), 'a', capacity});
  return list;
}

/// Chooses by the test's `rule`, so that a test can decline, or change the endpoints in the middle of a choice.
struct Scripted {
  std::function<std::optional<std::size_t>(std::size_t candidates)> rule = [](std::size_t n) {
    return n == 0 ? std::nullopt : std::optional<std::size_t>{0};
  };

  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const {
    return rule(candidates.size());
  }
};

/// Chooses as `Policy` does, but declines while `refuse` is true.
template <class Policy>
struct Moody : Policy {
  const bool* refuse = nullptr;

  std::optional<std::size_t> select(const auto& candidates, const auto& request, auto& context) const {
    const std::optional<std::size_t> chosen = Policy::select(candidates, request, context);
    return *refuse ? std::nullopt : chosen;
  }
};

inline std::uint32_t in_flight(const auto& router, pdroute::Role role) {
  std::uint32_t sum = 0;
  for (const auto& endpoint : router.endpoints(role)) sum += endpoint.in_flight;
  return sum;
}

/// The status of one endpoint, which must be a member.
inline auto status(const auto& router, pdroute::Role role, std::string_view id) {
  const auto all = router.endpoints(role);
  return *std::find_if(all.begin(), all.end(), [id](const auto& endpoint) { return endpoint.id == id; });
}

inline std::uint32_t sum_of_reasons(const pdroute::NoEndpoint& reason) {
  std::uint32_t sum = 0;
  reason.each_reason([&](const char* /*name*/, std::uint32_t count) { sum += count; });
  return sum;
}

/// The ids of the chosen endpoints, as in "p0 d1", or the text of the reason why there are none.
inline std::string names(const auto& route) {
  return route ? std::string(route->prefill.id()).append(" ").append(route->decode.id()) : route.error().text();
}
