// SPDX-License-Identifier: Apache-2.0
// The policies that a configuration may name. To add one, write a struct like those below and list it at the end.
#pragma once

#include <array>
#include <cstdint>
#include <pdroute/load/token_count.hpp>
#include <pdroute/policy/counting.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <string_view>
#include <type_traits>

namespace gateway {

// Each policy also counts tokens of both kinds, so that any endpoint of the configuration may be limited by them.
template <class Policy>
using Counted = pdroute::Counting<Policy, pdroute::Tokens, pdroute::KvTokens>;

// `start` differs between gateways, so that those in front of the same engines do not choose in step.

struct RoundRobin {
  static constexpr std::string_view name = "round-robin";
  using Policy = Counted<pdroute::RoundRobinPolicy<>>;
  [[nodiscard]] static Policy make(std::uint64_t start) { return {{.first_turn = static_cast<std::uint32_t>(start)}}; }
};

struct Random {
  static constexpr std::string_view name = "random";
  using Policy = Counted<pdroute::RandomPolicy<>>;
  [[nodiscard]] static Policy make(std::uint64_t start) { return {{.seed = start}}; }
};

struct Qps {
  static constexpr std::string_view name = "qps";
  using Policy = Counted<pdroute::QpsPolicy<>>;
  [[nodiscard]] static Policy make(std::uint64_t /*start*/) { return {}; }
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

}  // namespace gateway
