// SPDX-License-Identifier: Apache-2.0
// The policies that a configuration may name. To add one, list its type and its name.
#pragma once

#include <array>
#include <cstdint>
#include <pdroute/policy/latency_costs.hpp>
#include <pdroute/policy/load_costs.hpp>
#include <pdroute/policy/one_of.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <string_view>

namespace gateway {

// Some of these count tokens of both kinds, so any endpoint of the configuration may be limited by them.
using AnyPolicy = pdroute::OneOfPolicy<pdroute::RoundRobinPolicy<>, pdroute::RandomPolicy<>, pdroute::QpsPolicy<>,
                                       pdroute::LeastRequestPolicy, pdroute::PowerOfTwoChoicesPolicy<>,
                                       pdroute::LeastTokensPolicy, pdroute::LeastKvPolicy, pdroute::PeakEwmaPolicy>;

struct NamedPolicy {
  std::string_view name;
  /// `start` differs between gateways, so that those in front of the same engines do not choose in step.
  AnyPolicy (*make)(std::uint64_t start);
};

inline constexpr std::array<NamedPolicy, 8> known_policies{{
    {"round-robin",
     [](std::uint64_t start) -> AnyPolicy {
       return {pdroute::RoundRobinPolicy<>{.first_turn = static_cast<std::uint32_t>(start)}};
     }},
    {"random", [](std::uint64_t start) -> AnyPolicy { return {pdroute::RandomPolicy<>{.seed = start}}; }},
    {"qps", [](std::uint64_t /*start*/) -> AnyPolicy { return {pdroute::QpsPolicy<>{}}; }},
    {"least-requests", [](std::uint64_t /*start*/) -> AnyPolicy { return {pdroute::LeastRequestPolicy{}}; }},
    {"two-choices", [](std::uint64_t /*start*/) -> AnyPolicy { return {pdroute::PowerOfTwoChoicesPolicy<>{}}; }},
    {"least-tokens", [](std::uint64_t /*start*/) -> AnyPolicy { return {pdroute::LeastTokensPolicy{}}; }},
    {"least-kv", [](std::uint64_t /*start*/) -> AnyPolicy { return {pdroute::LeastKvPolicy{}}; }},
    {"peak-ewma", [](std::uint64_t /*start*/) -> AnyPolicy { return {pdroute::PeakEwmaPolicy{}}; }},
}};

/// Null if there is none of that name.
[[nodiscard]] constexpr const NamedPolicy* policy_named(std::string_view name) {
  for (const NamedPolicy& known : known_policies) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

}  // namespace gateway
