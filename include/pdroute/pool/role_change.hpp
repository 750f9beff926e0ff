// SPDX-License-Identifier: Apache-2.0
// Asking an endpoint to play the other role, and the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Whether the last eligible endpoint of a role may leave it.
enum class LastEndpoint : std::uint8_t { keep, take };

/// What came of a change of role. Nothing has changed unless it is `done`.
enum class [[nodiscard]] RoleChange : std::uint8_t {
  done,
  no_such_endpoint,  ///< the role that it should leave has no such id
  already_there,     ///< it is a member of the other role that is not draining
  capacity_refused,  ///< its capacity or weight for the other role cannot be: zero, too high, or not counted there
  last_of_its_role,  ///< no other endpoint of the role it should leave is eligible
};

[[nodiscard]] constexpr std::string_view to_string(RoleChange change) noexcept {
  switch (change) {
    case RoleChange::done: return "done";
    case RoleChange::no_such_endpoint: return "no such endpoint";
    case RoleChange::already_there: return "already there";
    case RoleChange::capacity_refused: return "capacity refused";
    case RoleChange::last_of_its_role: return "last of its role";
  }
  return "";
}

/// An endpoint on its way from one role to the other.
template <EndpointType Endpoint>
struct DepartingEndpoint {
  RoleChange change = RoleChange::done;
  std::optional<Endpoint> endpoint = std::nullopt;  ///< if `change` is done
  Health health = Health::healthy;
  Intake intake = Intake::accepting;
};

}  // namespace v0
}  // namespace pdroute
