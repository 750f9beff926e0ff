// SPDX-License-Identifier: Apache-2.0
// EwmaOptions: how fast an exponentially weighted moving average forgets.
#pragma once

#include <chrono>
#include <optional>
#include <pdroute/config_error.hpp>
#include <string>

namespace pdroute {
inline namespace v0 {

/// How fast samples fade: after this time one weighs 1/e = 37 % of a fresh one.
struct EwmaOptions {
  /// 10 s as in Finagle and Linkerd: long enough for several answers of an LLM, short enough to forgive.
  std::chrono::nanoseconds decay = std::chrono::seconds{10};

  [[nodiscard]] std::optional<ConfigError> check() const {
    constexpr std::chrono::hours longest{24 * 365 * 100};
    if (std::chrono::nanoseconds::zero() < decay && decay <= longest) return std::nullopt;
    return ConfigError{ConfigError::Rule::decay_in_range, std::to_string(decay.count()) + " ns"};
  }
};

}  // namespace v0
}  // namespace pdroute
