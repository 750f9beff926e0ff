// SPDX-License-Identifier: Apache-2.0
// LeaseId: a detached lease as an integer, and why one was not exchanged for its lease.
#pragma once

#include <cstdint>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Names one detached lease: for C callbacks, wire ids, maps of integers. Never zero, and positive as a signed 64-bit
/// integer. Not a secret: a client that can guess lease ids can end the requests of others.
enum class LeaseId : std::uint64_t {};

/// Why a lease id was not exchanged for its lease. Whatever the reason, nothing has changed.
enum class LeaseIdError : std::uint8_t {
  unknown,     ///< never given out by this router
  used,        ///< adopted before
  dead,        ///< adopted before, and its place in the table has gone to another lease since
  other_role,  ///< names a lease of the other role
};

/// The reason as a sentence.
[[nodiscard]] constexpr std::string_view to_string(LeaseIdError error) noexcept {
  switch (error) {
    case LeaseIdError::unknown: return "unknown lease id: never given out by this router";
    case LeaseIdError::used: return "used lease id: its lease has been adopted";
    case LeaseIdError::dead: return "dead lease id: its lease was adopted long ago";
    case LeaseIdError::other_role: return "lease id of the other role";
  }
  return "";
}

}  // namespace v0
}  // namespace pdroute
