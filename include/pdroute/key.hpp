// SPDX-License-Identifier: Apache-2.0
// What requests have in common that should meet the same endpoint: a session, a user, a prefix, as one number.
#pragma once

#include <cstdint>
#include <pdroute/random.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// An opaque value: equal texts have equal keys, on every platform. Two different ones may share a key (one pair in
/// 2^64), on purpose if somebody chooses the texts to do so; then they share what the key decides, and nothing worse.
enum class Key : std::uint64_t {};

/// The key of a text, such as a session's name: `pdroute::key("u42")`. O(length); make it once per request.
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
/// The key of a number that the caller has already, such as the hash of a prefix.
[[nodiscard]] constexpr Key key(std::uint64_t number) noexcept {
  return Key{SplitMix64::mix(number ^ 0x9e3779b97f4a7c15U)};
}

}  // namespace v0
}  // namespace pdroute
