// SPDX-License-Identifier: Apache-2.0
// InFlight, QueuedTokens, HeldKvTokens and EngineInFlight: costs that read one count of what an endpoint or its engine
// has to do.
#pragma once

#include <pdroute/load/engine_load.hpp>
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

/// A cost: requests in flight at the candidate's engine, in all its endpoints and in both roles. For engines that
/// compute prompts and generate, or have several ranks; see `EngineLoad`.
///
/// Unit: requests. Reads `EngineLoad`. It does not see the size of a request.
struct EngineInFlight {
  static constexpr std::string_view name = "engine_in_flight";  ///< its name in explanations
  using Load = EngineLoad;                                      ///< the load metric that it reads
  /// The requests in flight at the candidate's engine now.
  [[nodiscard]] constexpr auto operator()(const auto& candidate) const
    requires requires { candidate.engine_in_flight(); }
  {
    return candidate.engine_in_flight();
  }
};

}  // namespace v0
}  // namespace pdroute
