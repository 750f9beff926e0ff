// SPDX-License-Identifier: Apache-2.0
// The router's answer for one request.
#pragma once

namespace pdroute::inline v0 {

/// One endpoint per role, both reserved. Two leases because they end at different moments: prefill with the first
/// token, decode with the last. Each may also be ended, moved or detached on its own.
template <class PrefillLease, class DecodeLease>
struct [[nodiscard]] Route {
  PrefillLease prefill;
  DecodeLease decode;

  /// The first token has come: the prompt is computed, and prefill is complete. Idempotent.
  void first_token() noexcept { prefill.complete(); }
  /// The last token has come, or there never was one: completes what has not ended yet.
  void complete() noexcept {
    prefill.complete();
    decode.complete();
  }
};

}  // namespace pdroute::inline v0
