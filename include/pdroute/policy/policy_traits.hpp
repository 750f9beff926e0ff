// SPDX-License-Identifier: Apache-2.0
// Reads the optional members of a policy, with the defaults for those it leaves out.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/config_error.hpp>
#include <pdroute/load/no_load.hpp>
#include <tuple>
#include <utility>

namespace pdroute::inline v0::detail {

struct NoState {};

template <class Policy>
[[nodiscard]] constexpr auto make_state(const Policy& policy, std::uint64_t stream) {
  if constexpr (requires { policy.make_state(stream); }) {
    return policy.make_state(stream);
  } else {
    return NoState{};
  }
}

template <class Policy>
using StateOf = decltype(detail::make_state(std::declval<const Policy&>(), 0));

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

}  // namespace pdroute::inline v0::detail
