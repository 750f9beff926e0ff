// SPDX-License-Identifier: Apache-2.0
// The load metrics that policies and costs read, with the defaults for those that read none.
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
template <class Policy>
using LoadOf = typename LoadOfPolicy<Policy>::Type;

template <class Policy>
[[nodiscard]] constexpr auto load_options(const Policy& policy) {
  if constexpr (requires { policy.load_options(); }) {
    return policy.load_options();
  } else {
    return typename LoadOf<Policy>::Options{};
  }
}

/// Stands for a metric with its default options.
template <LoadMetric Metric>
struct MetricSource {
  using Load = Metric;
};

/// The options of one metric, from the first of several policies or costs that carry it.
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

/// The options of a load whose metrics these policies or costs carry. Where two carry the same metric, the first says
/// how.
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

template <class Options>
[[nodiscard]] std::optional<ConfigError> check_options(const Options& options) {
  if constexpr (requires { options.check(); }) {
    return options.check();
  } else if constexpr (requires { std::tuple_size<Options>::value; }) {  // of several metrics
    std::optional<ConfigError> error;
    std::apply([&](const auto&... each) { (void)((error = detail::check_options(each)) || ...); }, options);
    return error;
  } else {
    return std::nullopt;
  }
}

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
