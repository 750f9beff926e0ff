// SPDX-License-Identifier: Apache-2.0
// Route: the router's answer for one request.
#pragma once

#include <chrono>

namespace pdroute {
inline namespace v0 {

/// One endpoint per role, both reserved. There are two leases because they end at different moments: prefill with the
/// first token, decode with the last. Each may also be ended, moved or detached on its own.
/// Thread safety: thread-compatible, like its leases.
template <class PrefillLease, class DecodeLease>
struct [[nodiscard]] Route {
  PrefillLease prefill;  ///< on the endpoint that computes the prompt
  DecodeLease decode;    ///< on the endpoint that generates the answer

  /// The prompt is computed, and its KV is staged at the prefill endpoint until the decode endpoint has fetched it.
  /// From now on the decode leg is owed; see `Lease::staged`. A gateway that is not told this moment leaves it out.
  void staged() noexcept {
    prefill.staged();
    decode.staged();
  }
  /// The KV is staged at this moment of the router's clock, for roles that measure time.
  template <class Clock, class Duration>
  void staged(std::chrono::time_point<Clock, Duration> now) noexcept {
    prefill.staged(now);
    decode.staged(now);
  }
  /// The first token has come: the prompt is computed and its KV fetched, and the prefill lease completes. The decode
  /// endpoint gives tokens, so it works. A second call has no effect.
  void first_token() noexcept {
    prefill.complete();
    decode.fetched();
    decode.first_token();
  }
  /// The first token has come at this moment of the router's clock, for roles that measure time. Call it once.
  template <class Clock, class Duration>
  void first_token(std::chrono::time_point<Clock, Duration> now) noexcept {
    prefill.complete(now);
    decode.fetched();
    decode.first_token(now);
  }
  /// The client went away, or the gateway gives up: cancels the leases that have not ended yet. After `staged`, tell
  /// the prefill endpoint first to let go of the KV: nothing is reported as abandoned.
  void cancel() noexcept {
    prefill.cancel();
    decode.cancel();
  }
  /// The last token has come, or there never was one: completes the leases that have not ended yet.
  void complete() noexcept {
    prefill.complete();
    decode.complete();
  }
  /// The last token has come at this moment of the router's clock, for roles that measure time.
  template <class Clock, class Duration>
  void complete(std::chrono::time_point<Clock, Duration> now) noexcept {
    prefill.complete(now);
    decode.complete(now);
  }
};

}  // namespace v0
}  // namespace pdroute
