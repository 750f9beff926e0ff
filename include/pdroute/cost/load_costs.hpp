// SPDX-License-Identifier: Apache-2.0
// Costs that read one load metric: requests in flight, queued tokens, held KV tokens.
#pragma once

#include <pdroute/load/token_count.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Requests that run at the candidate. Every endpoint counts them.
struct InFlight {
  static constexpr std::string_view name = "in_flight";
  [[nodiscard]] constexpr auto operator()(const auto& candidate) const
    requires requires { candidate.in_flight(); }
  {
    return candidate.in_flight();
  }
};

/// Prompt tokens that wait or run at the candidate, those that its cache holds left out.
struct QueuedTokens {
  static constexpr std::string_view name = "tokens";
  using Load = Tokens;
  [[nodiscard]] constexpr auto operator()(const auto& candidate) const
    requires requires { candidate.tokens(); }
  {
    return candidate.tokens();
  }
};

/// Tokens whose KV the candidate holds, or has promised to hold for requests on their way.
struct HeldKvTokens {
  static constexpr std::string_view name = "kv_tokens";
  using Load = KvTokens;
  [[nodiscard]] constexpr auto operator()(const auto& candidate) const
    requires requires { candidate.kv_tokens(); }
  {
    return candidate.kv_tokens();
  }
};

}  // namespace v0
}  // namespace pdroute
