// SPDX-License-Identifier: Apache-2.0
// The load metric of a policy or cost and its options, with the defaults for one that names none.
#pragma once

#include <cstddef>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/load/detail/joined_loads.hpp>
#include <pdroute/load/load_metric.hpp>
#include <pdroute/load/no_load.hpp>
#include <tuple>
#include <type_traits>

namespace pdroute {
inline namespace v0 {
namespace detail {

template <class Policy>
struct LoadOfPolicy {
  using Type = NoLoad;
};
template <class Policy>
  requires requires { typename Policy::Load; }
struct LoadOfPolicy<Policy> {
  using Type = typename Policy::Load;
};
/// The load metric that a policy or cost reads: its `Load`, or `NoLoad`.
template <class Policy>
using LoadOf = typename LoadOfPolicy<Policy>::Type;

/// The options of the load metric of a policy or cost: its `load_options()`, or the default options.
template <class Policy>
[[nodiscard]] constexpr auto load_options(const Policy& policy) {
  if constexpr (requires { policy.load_options(); }) {
    return policy.load_options();
  } else {
    return typename LoadOf<Policy>::Options{};
  }
}

/// A stand-in for a policy or cost that reads `Metric` with its default options.
template <LoadMetric Metric>
struct MetricSource {
  using Load = Metric;
};

/// The options of one metric, from the first of several policies or costs that read it.
template <class Metric, class First, class... Others>
[[nodiscard]] constexpr auto options_of(const First& first, const Others&... others) {
  using Load = LoadOf<First>;
  if constexpr (std::is_same_v<Load, Metric>) {
    return detail::load_options(first);
  } else if constexpr (place_in<Metric, Load> >= 0) {
    return std::get<static_cast<std::size_t>(place_in<Metric, Load>)>(detail::load_options(first));
  } else {
    return detail::options_of<Metric>(others...);
  }
}

/// The options of a load with the metrics that these policies or costs read. If two of them read the same metric, the
/// first one gives its options.
template <class Load, class... Sources>
[[nodiscard]] constexpr typename Load::Options joined_options(const Sources&... sources) {
  if constexpr (std::is_same_v<Load, NoLoad>) {
    return {};
  } else if constexpr (is_several<Load>) {
    return [&]<class... Metrics>(std::type_identity<Loads<Metrics...>> /*load*/) {
      return typename Load::Options{detail::options_of<Metrics>(sources...)...};
    }(std::type_identity<Load>{});
  } else {
    return detail::options_of<Load>(sources...);
  }
}

/// What is wrong with the options of a metric, or of several; none if nothing is wrong.
template <class Options>
[[nodiscard]] std::optional<ConfigError> check_options(const Options& options) {
  if constexpr (requires { options.check(); }) {
    return options.check();
  } else if constexpr (requires { std::tuple_size<Options>::value; }) {  // the options of several metrics
    std::optional<ConfigError> error;
    std::apply([&](const auto&... each) { (void)((error = detail::check_options(each)) || ...); }, options);
    return error;
  } else {
    return std::nullopt;
  }
}

/// What is wrong with a policy or cost, or with the options of its load metric; none if nothing is wrong.
template <class Policy>
[[nodiscard]] std::optional<ConfigError> check_configuration(const Policy& policy) {
  if constexpr (requires { policy.check(); }) {
    if (auto error = policy.check()) return error;
  }
  return detail::check_options(detail::load_options(policy));
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
