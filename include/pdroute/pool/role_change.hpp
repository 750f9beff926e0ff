// SPDX-License-Identifier: Apache-2.0
// RoleChange: what came of asking an endpoint to play the other role.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <pdroute/endpoint.hpp>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// Whether the last eligible endpoint of a role may leave it.
enum class LastEndpoint : std::uint8_t {
  keep,  ///< it stays, and the change is refused
  take,  ///< it may leave, and the role may be left without an eligible endpoint
};

/// What came of a change of role. Nothing has changed unless it is `done`.
enum class [[nodiscard]] RoleChange : std::uint8_t {
  done,              ///< the endpoint drains in its old role and is a member of the new one
  no_such_endpoint,  ///< the role that it should leave has no such id
  already_there,     ///< it is a member of the other role that is not draining
  capacity_refused,  ///< its capacity or weight for the other role is zero, too high, or not counted there
  last_of_its_role,  ///< no other endpoint of the role it should leave is eligible
};

/// The answer as text, such as "last of its role".
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

/// An endpoint on its way from one role to the other, as `EndpointPool::leave` gives it.
template <EndpointType Endpoint>
struct DepartingEndpoint {
  RoleChange change = RoleChange::done;             ///< whether it may leave
  std::optional<Endpoint> endpoint = std::nullopt;  ///< a copy of it, if `change` is done
  Health health = Health::healthy;                  ///< which it keeps in the other role
  Intake intake = Intake::accepting;                ///< which it keeps in the other role
  /// When a pause with an end is over, since the epoch of the router's clock.
  std::chrono::nanoseconds paused_until = std::chrono::nanoseconds::max();
  std::chrono::nanoseconds paused_for = std::chrono::nanoseconds::zero();  ///< for how long it was set
};

}  // namespace v0
}  // namespace pdroute
