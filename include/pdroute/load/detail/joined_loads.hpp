// SPDX-License-Identifier: Apache-2.0
// JoinedLoads: the load metrics of several policies or costs as one metric, each only once.
#pragma once

#include <pdroute/load/loads.hpp>
#include <pdroute/load/no_load.hpp>
#include <type_traits>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Adds the metrics of each of `More`, in order, to the list `Load`, and skips those that it contains already.
template <class Load, class... More>
struct JoinedLoadsOf;

template <class... Metrics>
struct JoinedLoadsOf<Loads<Metrics...>> {
  using Type = Loads<Metrics...>;
};
template <class... Metrics, class... More>
struct JoinedLoadsOf<Loads<Metrics...>, NoLoad, More...> : JoinedLoadsOf<Loads<Metrics...>, More...> {};
template <class... Metrics, class Metric, class... More>
struct JoinedLoadsOf<Loads<Metrics...>, Metric, More...>
    : std::conditional_t<(std::is_same_v<Metric, Metrics> || ...), JoinedLoadsOf<Loads<Metrics...>, More...>,
                         JoinedLoadsOf<Loads<Metrics..., Metric>, More...>> {};
template <class... Metrics, class... Others, class... More>
struct JoinedLoadsOf<Loads<Metrics...>, Loads<Others...>, More...>
    : JoinedLoadsOf<Loads<Metrics...>, Others..., More...> {};

/// A list without metrics becomes `NoLoad`, and a list of one metric becomes that metric.
template <class Load>
struct Unlisted {
  using Type = Load;
};
template <>
struct Unlisted<Loads<>> {
  using Type = NoLoad;
};
template <class Metric>
struct Unlisted<Loads<Metric>> {
  using Type = Metric;
};

/// The metrics of all these loads, in the order of their first mention.
template <class... AllLoads>
using JoinedLoads = typename Unlisted<typename JoinedLoadsOf<Loads<>, AllLoads...>::Type>::Type;

/// Whether a load is a list of metrics.
template <class Load>
inline constexpr bool is_several = false;
template <class... Metrics>
inline constexpr bool is_several<Loads<Metrics...>> = true;

/// The index of a metric in a list of metrics, or -1.
template <class Metric, class Load>
inline constexpr int place_in = -1;
template <class Metric, class... Metrics>
inline constexpr int place_in<Metric, Loads<Metrics...>> = [] {
  int place = 0;
  return ((std::is_same_v<Metric, Metrics> || (++place, false)) || ...) ? place : -1;
}();

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
