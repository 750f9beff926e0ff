// SPDX-License-Identifier: Apache-2.0
// The policies that the replay knows by name. To add one, list its type and its name.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <pdroute/policy/latency_costs.hpp>
#include <pdroute/policy/load_costs.hpp>
#include <pdroute/policy/one_of.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/rendezvous.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/policy/weighted_round_robin.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

/// What the command line says about policies.
struct PolicySettings {
  std::uint64_t seed = 0;
  std::chrono::nanoseconds qps_window = std::chrono::seconds{60};
};

using AnyPolicy = pdroute::OneOfPolicy<pdroute::RoundRobinPolicy<>, pdroute::RandomPolicy<>, pdroute::QpsPolicy<>,
                                       pdroute::LeastRequestPolicy, pdroute::PowerOfTwoChoicesPolicy<>,
                                       pdroute::LeastTokensPolicy, pdroute::LeastKvPolicy, pdroute::PeakEwmaPolicy,
                                       pdroute::WeightedRoundRobinPolicy, pdroute::RendezvousPolicy<>>;

struct NamedPolicy {
  std::string_view name;
  AnyPolicy (*make)(const PolicySettings& settings);
};

inline constexpr auto known_policies = std::to_array<NamedPolicy>({
    {"round-robin", [](const PolicySettings& /*settings*/) -> AnyPolicy { return {pdroute::RoundRobinPolicy<>{}}; }},
    {"random", [](const PolicySettings& s) -> AnyPolicy { return {pdroute::RandomPolicy<>{.seed = s.seed}}; }},
    {"qps", [](const PolicySettings& s) -> AnyPolicy { return {pdroute::QpsPolicy<>{.window = s.qps_window}}; }},
    {"least-requests", [](const PolicySettings& /*settings*/) -> AnyPolicy { return {pdroute::LeastRequestPolicy{}}; }},
    {"two-choices",
     [](const PolicySettings& /*settings*/) -> AnyPolicy { return {pdroute::PowerOfTwoChoicesPolicy<>{}}; }},
    {"least-tokens", [](const PolicySettings& /*settings*/) -> AnyPolicy { return {pdroute::LeastTokensPolicy{}}; }},
    {"least-kv", [](const PolicySettings& /*settings*/) -> AnyPolicy { return {pdroute::LeastKvPolicy{}}; }},
    {"peak-ewma", [](const PolicySettings& /*settings*/) -> AnyPolicy { return {pdroute::PeakEwmaPolicy{}}; }},
    {"weighted-round-robin",
     [](const PolicySettings& /*settings*/) -> AnyPolicy { return {pdroute::WeightedRoundRobinPolicy{}}; }},
    {"rendezvous", [](const PolicySettings& s) -> AnyPolicy { return {pdroute::RendezvousPolicy<>{.seed = s.seed}}; }},
});

/// Null if there is none of that name.
[[nodiscard]] constexpr const NamedPolicy* policy_named(std::string_view name) {
  for (const NamedPolicy& known : known_policies) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

[[nodiscard]] inline std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (const NamedPolicy& known : known_policies) names.emplace_back(known.name);
  return names;
}

}  // namespace replay
