// SPDX-License-Identifier: Apache-2.0
// WithMetrics: a policy whose role also counts what the policy itself does not read.
#pragma once

#include <pdroute/load/load_metric.hpp>
#include <pdroute/policy/detail/policy_traits.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {

/// Chooses as `Policy` does, while the endpoints of its role also carry `Metrics`: so that a `Capacity` can limit what
/// they count, and reports can show it. A role counts only what is asked for.
///
///     using Decode = pdroute::WithMetrics<pdroute::QpsPolicy<>, pdroute::KvTokens>;
///     Decode policy{{.window = 30s}};
template <class Policy, LoadMetric... Metrics>
struct WithMetrics : Policy {
  static_assert(
      (std::is_default_constructible_v<typename Metrics::Options> && ...),
      "pdroute: WithMetrics adds metrics that need no options; one that does is named by a policy, as its `Load`");
  static_assert((!std::is_base_of_v<Metrics, detail::LoadOf<Policy>> && ...),
                "pdroute: the policy counts this metric already; leave it out of WithMetrics<...>");
  using Load = detail::JoinedLoads<detail::LoadOf<Policy>, Metrics...>;

  [[nodiscard]] constexpr typename Load::Options load_options() const {
    return detail::joined_options<Load>(static_cast<const Policy&>(*this), detail::MetricSource<Metrics>{}...);
  }
};

}  // namespace v0
}  // namespace pdroute
