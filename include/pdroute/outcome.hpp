// SPDX-License-Identifier: Apache-2.0
// FailureKind and Outcomes: how requests end on an endpoint.
#pragma once

#include <cstdint>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// How a request failed on an endpoint. All kinds but `overloaded` count as failures of the endpoint.
enum class FailureKind : std::uint8_t {
  unreachable,   ///< no connection
  timed_out,     ///< connected, but no answer in time
  bad_response,  ///< an answer that is an error, makes no sense or ends early
  overloaded,    ///< refused for lack of room (HTTP 429): back-pressure, which is not a failure of the endpoint
};

/// The enumerator's name, such as "timed_out". The text has static storage.
[[nodiscard]] constexpr std::string_view to_string(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::unreachable: return "unreachable";
    case FailureKind::timed_out: return "timed_out";
    case FailureKind::bad_response: return "bad_response";
    case FailureKind::overloaded: return "overloaded";
  }
  return "";
}

/// How the leases of one endpoint in one role have ended so far: a number of leases for each way to end.
struct Outcomes {
  std::uint64_t completed = 0;     ///< ended by `Lease::complete`
  std::uint64_t rejected = 0;      ///< ended by `Lease::reject`: the request was at fault
  std::uint64_t cancelled = 0;     ///< destroyed before an end was told: the client went away, or the gateway gave up
  std::uint64_t abandoned = 0;     ///< of those cancelled: destroyed after `Lease::staged`, so that KV was left behind
  std::uint64_t unreachable = 0;   ///< failed as `FailureKind::unreachable`
  std::uint64_t timed_out = 0;     ///< failed as `FailureKind::timed_out`
  std::uint64_t bad_response = 0;  ///< failed as `FailureKind::bad_response`
  std::uint64_t overloaded = 0;    ///< failed as `FailureKind::overloaded`

  /// The endpoint's own failures. Back-pressure, a rejected request and a client's cancel do not count.
  [[nodiscard]] constexpr std::uint64_t failed() const noexcept { return unreachable + timed_out + bad_response; }

  /// Calls `visit(name, count)` for each way to end, in the order of the members, zero or not. `abandoned` is not one
  /// of them, because it is a part of `cancelled`.
  template <class Visit>
  constexpr void each(Visit&& visit) const {
    visit("completed", completed);
    visit("rejected", rejected);
    visit("cancelled", cancelled);
    visit(to_string(FailureKind::unreachable), unreachable);
    visit(to_string(FailureKind::timed_out), timed_out);
    visit(to_string(FailureKind::bad_response), bad_response);
    visit(to_string(FailureKind::overloaded), overloaded);
  }

  /// Equal if all members are equal.
  friend bool operator==(const Outcomes&, const Outcomes&) = default;
};

}  // namespace v0
}  // namespace pdroute
