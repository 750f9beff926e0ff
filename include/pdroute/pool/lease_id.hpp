// SPDX-License-Identifier: Apache-2.0
// LeaseId: a detached lease as an integer, and why one was not exchanged for its lease.
#pragma once

#include <cstdint>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Names one detached lease: for C callbacks, wire ids, maps of integers. Never zero, and positive as a signed 64-bit
/// integer. It needs all 63 bits: a JSON number that is read as a double loses some, so send it as text.
///
/// Each router numbers its leases from a place of its own, which depends on its address, its seed, the time of its
/// creation and how many routers the process has made before. So an id of another router is `unknown`, or `other_role`,
/// save for one in about 2^37. A place of the table that is used 2^37 times begins again: an id that was kept for so
/// long may name a later lease (38 hours at a million a second).
///
/// Not a secret: a client that can guess lease ids can end the requests of others.
enum class LeaseId : std::uint64_t {};

/// Why a lease id was not exchanged for its lease. Whatever the reason, nothing has changed.
enum class LeaseIdError : std::uint8_t {
  unknown,     ///< never given out by this router; perhaps another router's
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
