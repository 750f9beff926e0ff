// SPDX-License-Identifier: Apache-2.0
// WithMetrics: adds to a role load metrics that its policy does not read.
#pragma once

#include <pdroute/load/load_metric.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// Chooses as `Policy` does, and adds the load metrics `Metrics` to the endpoints of the role.
///
/// Guarantees. Choices are those of `Policy`. Each metric is stored once per endpoint. `Metrics` have their default
/// options.
///
/// Use it when a `Capacity` has to limit something that the policy does not read, or when reports have to show it. A
/// role counts only what its policy asks for. Do not use it for a metric that `Policy` reads already, or for one that
/// needs options.
///
///     using Decode = pdroute::WithMetrics<pdroute::QpsPolicy<>, pdroute::KvTokens>;
///     Decode policy{{.cost = {.window = 30s}}};
///
/// Complexity: a choice costs what it costs under `Policy`. A lease also updates the added metrics.
/// Thread safety: that of `Policy`.
template <class Policy, LoadMetric... Metrics>
struct WithMetrics : Policy {
  static_assert((std::is_default_constructible_v<typename Metrics::Options> && ...),
                "pdroute: WithMetrics adds metrics that need no options; to give options, make the metric the `Load` "
                "of a policy");
  static_assert((!std::is_base_of_v<Metrics, detail::LoadOf<Policy>> && ...),
                "pdroute: the policy counts this metric already; leave it out of WithMetrics<...>");
  /// The load metrics: what the policy reads, then `Metrics`.
  using Load = detail::JoinedLoads<detail::LoadOf<Policy>, Metrics...>;

  /// The options of the load metrics. `Metrics` have their defaults.
  [[nodiscard]] constexpr typename Load::Options load_options() const {
    return detail::joined_options<Load>(static_cast<const Policy&>(*this), detail::MetricSource<Metrics>{}...);
  }
};

}  // namespace v0
}  // namespace pdroute
