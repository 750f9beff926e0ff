// SPDX-License-Identifier: Apache-2.0
// Counting: a policy whose role also counts what the policy itself does not read.
#pragma once

#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/loads.hpp>
#include <pdroute/policy/policy_traits.hpp>
#include <tuple>

namespace pdroute::inline v0 {

namespace detail {

template <class Load, class... More>
struct JoinedLoads {
  static_assert((!std::is_base_of_v<More, Load> && ...),
                "pdroute: the policy counts this metric already; leave it out of Counting<...>");
  using Type = Loads<Load, More...>;
};
template <class... Metrics, class... More>
struct JoinedLoads<Loads<Metrics...>, More...> {
  static_assert((!std::is_base_of_v<More, Loads<Metrics...>> && ...),
                "pdroute: the policy counts this metric already; leave it out of Counting<...>");
  using Type = Loads<Metrics..., More...>;
};
template <class... More>
struct JoinedLoads<NoLoad, More...> {
  using Type = Loads<More...>;
};

template <class Load>
inline constexpr bool is_several = false;
template <class... Metrics>
inline constexpr bool is_several<Loads<Metrics...>> = true;

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
  using Load = typename detail::JoinedLoads<detail::LoadOf<Policy>, Metrics...>::Type;

  [[nodiscard]] constexpr typename Load::Options load_options() const {
    const std::tuple<typename Metrics::Options...> more{};
    if constexpr (std::is_same_v<detail::LoadOf<Policy>, NoLoad>) {
      return more;
    } else if constexpr (detail::is_several<detail::LoadOf<Policy>>) {
      return std::tuple_cat(detail::load_options(static_cast<const Policy&>(*this)), more);
    } else {
      return std::tuple_cat(std::tuple{detail::load_options(static_cast<const Policy&>(*this))}, more);
    }
  }
};

}  // namespace pdroute::inline v0
