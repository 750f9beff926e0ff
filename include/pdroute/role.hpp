// SPDX-License-Identifier: Apache-2.0
// Role: the two jobs that an endpoint can do for a request.
#pragma once

#include <cstdint>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// What an endpoint does for a request.
enum class Role : std::uint8_t {
  prefill,  ///< computes the prompt, up to the first token
  decode,   ///< generates the answer, up to the last token
};

/// "prefill" or "decode". The text has static storage.
[[nodiscard]] constexpr std::string_view to_string(Role role) noexcept {
  return role == Role::prefill ? "prefill" : "decode";
}

}  // namespace v0
}  // namespace pdroute
