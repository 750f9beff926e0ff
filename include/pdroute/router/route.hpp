// SPDX-License-Identifier: Apache-2.0
// The router's answer for one request.
#pragma once

#include <chrono>

namespace pdroute {
inline namespace v0 {

/// One endpoint per role, both reserved. Two leases because they end at different moments: prefill with the first
/// token, decode with the last. Each may also be ended, moved or detached on its own.
template <class PrefillLease, class DecodeLease>
struct [[nodiscard]] Route {
  PrefillLease prefill;
  DecodeLease decode;

  /// The first token has come: the prompt is computed, and prefill is complete. Idempotent.
  void first_token() noexcept { prefill.complete(); }
  /// The same, at this moment of the router's clock, for roles that measure time. Say it once.
  template <class Clock, class Duration>
  void first_token(std::chrono::time_point<Clock, Duration> now) noexcept {
    prefill.complete(now);
    if constexpr (requires { decode.first_token(now); }) decode.first_token(now);
  }
  /// The last token has come, or there never was one: completes what has not ended yet.
  void complete() noexcept {
    prefill.complete();
    decode.complete();
  }
  template <class Clock, class Duration>
  void complete(std::chrono::time_point<Clock, Duration> now) noexcept {
    prefill.complete(now);
    decode.complete(now);
  }
};

}  // namespace v0
}  // namespace pdroute
