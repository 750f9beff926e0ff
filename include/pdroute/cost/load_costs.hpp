// SPDX-License-Identifier: Apache-2.0
// InFlight, QueuedTokens, HeldKvTokens: costs that read one count of what an endpoint has to do.
#pragma once

#include <pdroute/load/token_count.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// A cost: requests in flight at the candidate.
///
/// Unit: requests. Reads no load metric, because every endpoint counts its requests in flight. It does not see the size
/// of a request.
struct InFlight {
  static constexpr std::string_view name = "in_flight";  ///< its name in explanations
  /// The requests in flight at the candidate now.
  [[nodiscard]] constexpr auto operator()(const auto& candidate) const
    requires requires { candidate.in_flight(); }
  {
    return candidate.in_flight();
  }
};

/// A cost for prefill: prompt tokens that wait or run at the candidate, without those in its cache if the request's
/// demand leaves them out (`Demand::tokens`).
///
/// Unit: tokens. Reads `Tokens`. It does not see the speed of an endpoint.
struct QueuedTokens {
  static constexpr std::string_view name = "tokens";  ///< its name in explanations
  using Load = Tokens;                                ///< the load metric that it reads
  /// The tokens that all leases at the candidate hold now.
  [[nodiscard]] constexpr auto operator()(const auto& candidate) const
    requires requires { candidate.tokens(); }
  {
    return candidate.tokens();
  }
};

/// A cost for decode: tokens for which the candidate holds keys and values, or has reserved room for requests on their
/// way (`Demand::kv_tokens`).
///
/// Unit: KV tokens. Reads `KvTokens`.
struct HeldKvTokens {
  static constexpr std::string_view name = "kv_tokens";  ///< its name in explanations
  using Load = KvTokens;                                 ///< the load metric that it reads
  /// The KV tokens that all leases at the candidate hold now.
  [[nodiscard]] constexpr auto operator()(const auto& candidate) const
    requires requires { candidate.kv_tokens(); }
  {
    return candidate.kv_tokens();
  }
};

}  // namespace v0
}  // namespace pdroute
