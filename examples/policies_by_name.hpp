// SPDX-License-Identifier: Apache-2.0
// The policies that the example programs offer by name, in one list. To add one, add its type and its name here.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <pdroute/policy/any_policy.hpp>
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/policy/peak_ewma.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/rendezvous.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <pdroute/policy/weighted_random.hpp>
#include <pdroute/policy/weighted_round_robin.hpp>
#include <pdroute/policy/weighted_two_choices.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace examples {

/// Settings for all policies, from a command line or a configuration.
struct PolicySettings {
  std::uint64_t seed = 0;
  std::chrono::nanoseconds qps_window = std::chrono::seconds{60};
};

using ConfiguredPolicy = pdroute::AnyPolicy<pdroute::RoundRobinPolicy<>, pdroute::RandomPolicy<>, pdroute::QpsPolicy<>,
                                            pdroute::LeastRequestPolicy, pdroute::PowerOfTwoChoicesPolicy<>,
                                            pdroute::LeastTokensPolicy, pdroute::LeastKvPolicy, pdroute::PeakEwmaPolicy,
                                            pdroute::WeightedRandomPolicy, pdroute::WeightedTwoChoicesPolicy,
                                            pdroute::WeightedRoundRobinPolicy, pdroute::RendezvousPolicy<>>;

struct NamedPolicy {
  std::string_view name;
  ConfiguredPolicy (*make)(const PolicySettings& settings);
};

inline constexpr auto known_policies = [] {
  using Settings = PolicySettings;
  using Policy = ConfiguredPolicy;
  return std::to_array<NamedPolicy>({
      {"round-robin", [](const Settings& /*s*/) -> Policy { return {pdroute::RoundRobinPolicy<>{}}; }},
      {"random", [](const Settings& s) -> Policy { return {pdroute::RandomPolicy<>{.seed = s.seed}}; }},
      {"qps", [](const Settings& s) -> Policy { return {pdroute::QpsPolicy<>{.cost = {.window = s.qps_window}}}; }},
      {"least-requests", [](const Settings& /*s*/) -> Policy { return {pdroute::LeastRequestPolicy{}}; }},
      {"two-choices", [](const Settings& /*s*/) -> Policy { return {pdroute::PowerOfTwoChoicesPolicy<>{}}; }},
      {"least-tokens", [](const Settings& /*s*/) -> Policy { return {pdroute::LeastTokensPolicy{}}; }},
      {"least-kv", [](const Settings& /*s*/) -> Policy { return {pdroute::LeastKvPolicy{}}; }},
      {"peak-ewma", [](const Settings& /*s*/) -> Policy { return {pdroute::PeakEwmaPolicy{}}; }},
      {"weighted-random", [](const Settings& /*s*/) -> Policy { return {pdroute::WeightedRandomPolicy{}}; }},
      {"weighted-two-choices", [](const Settings& /*s*/) -> Policy { return {pdroute::WeightedTwoChoicesPolicy{}}; }},
      {"weighted-round-robin", [](const Settings& /*s*/) -> Policy { return {pdroute::WeightedRoundRobinPolicy{}}; }},
      {"rendezvous", [](const Settings& s) -> Policy { return {pdroute::RendezvousPolicy<>{.seed = s.seed}}; }},
  });
}();

/// The policy with this name, or null.
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

}  // namespace examples
