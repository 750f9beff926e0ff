// SPDX-License-Identifier: Apache-2.0
// Key: a session, a user or a prefix as one number. Requests with the same key should go to the same endpoint.
#pragma once

#include <cstdint>
#include <pdroute/random.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// An opaque 64-bit value made by `key`. Equal texts have equal keys, on every platform. Two different texts may have
/// the same key: by chance one pair in 2^64, or because a client chose the texts for that. Then both get the same
/// treatment wherever the key decides; there is no other effect.
enum class Key : std::uint64_t {};

/// The key of a text, such as a session's name: `pdroute::key("u42")`. Complexity: O(length), so make it once per
/// request. Not cryptographic: a client that knows this function can find texts with equal keys.
[[nodiscard]] constexpr Key key(std::string_view text) noexcept {
  std::uint64_t hash = text.size();
  std::uint64_t word = 0;
  unsigned shift = 0;
  for (const char c : text) {
    word |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
    shift += 8;
    if (shift == 64) {
      hash = SplitMix64::mix(hash ^ word) + 0x9e3779b97f4a7c15U;
      word = 0;
      shift = 0;
    }
  }
  return Key{SplitMix64::mix(hash ^ word)};
}
/// The key of a number that the caller already has, such as the hash of a prefix. Different numbers have different
/// keys. Complexity: O(1).
[[nodiscard]] constexpr Key key(std::uint64_t number) noexcept {
  return Key{SplitMix64::mix(number ^ 0x9e3779b97f4a7c15U)};
}

}  // namespace v0
}  // namespace pdroute
