// SPDX-License-Identifier: Apache-2.0
// The two jobs an endpoint can do for a request.
#pragma once

#include <cstdint>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// What an endpoint does for a request: `prefill` computes the prompt, `decode` generates the answer.
enum class Role : std::uint8_t { prefill, decode };

[[nodiscard]] constexpr std::string_view to_string(Role role) noexcept {
  return role == Role::prefill ? "prefill" : "decode";
}

}  // namespace v0
}  // namespace pdroute
