// SPDX-License-Identifier: Apache-2.0
// The policies that the replay knows by name. To add one, write a struct like those below and list it at the end.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <string_view>
#include <type_traits>

namespace replay {

/// What the command line says about policies.
struct PolicySettings {
  std::uint64_t seed = 0;
  std::chrono::nanoseconds qps_window = std::chrono::seconds{60};
};

struct RoundRobin {
  static constexpr std::string_view name = "round-robin";
  [[nodiscard]] static pdroute::RoundRobinPolicy<> make(const PolicySettings& /*settings*/) { return {}; }
};

struct Random {
  static constexpr std::string_view name = "random";
  [[nodiscard]] static pdroute::RandomPolicy<> make(const PolicySettings& settings) { return {.seed = settings.seed}; }
};

struct Qps {
  static constexpr std::string_view name = "qps";
  [[nodiscard]] static pdroute::QpsPolicy<> make(const PolicySettings& settings) {
    return {.window = settings.qps_window};
  }
};

template <class... Named>
struct PolicyList {
  static constexpr std::array<std::string_view, sizeof...(Named)> names{Named::name...};

  [[nodiscard]] static constexpr bool has(std::string_view name) { return ((name == Named::name) || ...); }

  /// Calls `use` with the named entry. False: there is none of that name.
  template <class Use>
  static bool with(std::string_view name, const Use& use) {
    return ((name == Named::name && (static_cast<void>(use(std::type_identity<Named>{})), true)) || ...);
  }
};

using KnownPolicies = PolicyList<RoundRobin, Random, Qps>;

}  // namespace replay
