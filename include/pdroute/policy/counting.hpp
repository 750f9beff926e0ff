// SPDX-License-Identifier: Apache-2.0
// Counting: a policy whose role also counts what the policy itself does not read.
#pragma once

#include <pdroute/load/joined_loads.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/policy/policy_traits.hpp>
#include <type_traits>

namespace pdroute::inline v0 {

namespace detail {

/// Stands for a metric with its usual options.
template <LoadMetric Metric>
struct Counted {
  using Load = Metric;
};

}  // namespace detail

/// Chooses as `Policy` does, while the endpoints of its role also carry `Metrics`: so that a `Capacity` can limit what
/// they count, and reports can show it. A role counts only what is asked for.
///
///     using Decode = pdroute::Counting<pdroute::QpsPolicy<>, pdroute::KvTokens>;
///     Decode policy{{.window = 30s}};
template <class Policy, LoadMetric... Metrics>
struct Counting : Policy {
  static_assert(
      (std::is_default_constructible_v<typename Metrics::Options> && ...),
      "pdroute: Counting adds metrics that need no options; one that does is named by a policy, as its `Load`");
  static_assert((!std::is_base_of_v<Metrics, detail::LoadOf<Policy>> && ...),
                "pdroute: the policy counts this metric already; leave it out of Counting<...>");
  using Load = detail::JoinedLoads<detail::LoadOf<Policy>, Metrics...>;

  [[nodiscard]] constexpr typename Load::Options load_options() const {
    return detail::joined_options<Load>(static_cast<const Policy&>(*this), detail::Counted<Metrics>{}...);
  }
};

}  // namespace pdroute::inline v0
