// SPDX-License-Identifier: Apache-2.0
// The router's answer for one request.
#pragma once

namespace pdroute::inline v0 {

/// One endpoint per role, both reserved. Two leases because they end at different moments: prefill with the first
/// token, decode with the last.
template <class PrefillLease, class DecodeLease>
struct [[nodiscard]] Route {
  PrefillLease prefill;
  DecodeLease decode;
};

}  // namespace pdroute::inline v0
