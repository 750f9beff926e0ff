// SPDX-License-Identifier: Apache-2.0
// EwmaOptions: how fast an exponentially weighted moving average (EWMA) forgets.
#pragma once

#include <chrono>
#include <optional>
#include <pdroute/clock.hpp>
#include <pdroute/config_error.hpp>
#include <string>

namespace pdroute {
inline namespace v0 {

/// How fast an exponentially weighted moving average (EWMA) forgets old samples.
struct EwmaOptions {
  /// The time after which a sample weighs 1/e = 37 % of a fresh one; longer than zero and at most a hundred years. When
  /// it weighs 1.6 %, after 4.2 times that long without a new sample, it is forgotten. The default of 10 s is that of
  /// Finagle and Linkerd: long enough for several answers of an LLM, short enough to forget a slow period soon.
  std::chrono::nanoseconds decay = std::chrono::seconds{10};

  /// What is wrong with the options; none if nothing is wrong.
  [[nodiscard]] std::optional<ConfigError> check() const {
    if (std::chrono::nanoseconds::zero() < decay && decay <= detail::longest_option) return std::nullopt;
    return ConfigError{ConfigError::Rule::decay_in_range, std::to_string(decay.count()) + " ns"};
  }
};

}  // namespace v0
}  // namespace pdroute
