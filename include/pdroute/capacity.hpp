// SPDX-License-Identifier: Apache-2.0
// How much one endpoint may hold at once, and how much one request weighs on it.
#pragma once

#include <cstdint>
#include <optional>

namespace pdroute::inline v0 {

/// The limits of one endpoint in one role; left out, there is none but what 64 bits can count, so bound what clients
/// may claim. A choice never passes a limit: who finds an endpoint full chooses among the others. Zero is refused as a
/// mistake; an endpoint that shall take nothing is paused.
struct Capacity {
  /// The most requests in flight that can be counted, and what no limit means.
  static constexpr std::uint32_t most_requests = (std::uint32_t{1} << 22U) - 1;

  std::optional<std::uint32_t> requests = {};   ///< in flight at once; at most `most_requests`
  std::optional<std::uint64_t> tokens = {};     ///< of all leases together; needs a role that counts `Tokens`
  std::optional<std::uint64_t> kv_tokens = {};  ///< of all leases together; needs a role that counts `KvTokens`

  friend bool operator==(const Capacity&, const Capacity&) = default;
};

/// What one request holds of an endpoint while its lease lasts.
struct Weight {
  std::uint64_t tokens = 0;     ///< to be computed there, such as the uncached tokens of the prompt
  std::uint64_t kv_tokens = 0;  ///< whose keys and values it keeps in the endpoint's memory
};

}  // namespace pdroute::inline v0
