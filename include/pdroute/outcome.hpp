// SPDX-License-Identifier: Apache-2.0
// How requests end on an endpoint.
#pragma once

#include <cstdint>
#include <string_view>

namespace pdroute {
inline namespace v0 {

/// What went wrong on an endpoint.
enum class FailureKind : std::uint8_t {
  unreachable,   ///< no connection
  timed_out,     ///< connected, but no answer in time
  bad_response,  ///< an answer that is an error, makes no sense or ends early
  overloaded,    ///< turned away for lack of room (HTTP 429): back-pressure, which says nothing bad about the endpoint
};

[[nodiscard]] constexpr std::string_view to_string(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::unreachable: return "unreachable";
    case FailureKind::timed_out: return "timed_out";
    case FailureKind::bad_response: return "bad_response";
    case FailureKind::overloaded: return "overloaded";
  }
  return "";
}

/// How the leases of one endpoint in one role have ended so far.
struct Outcomes {
  std::uint64_t completed = 0;
  std::uint64_t cancelled = 0;    ///< destroyed without a word: the client went away, or the gateway gave up
  std::uint64_t unreachable = 0;  ///< this and the next three: `FailureKind`
  std::uint64_t timed_out = 0;
  std::uint64_t bad_response = 0;
  std::uint64_t overloaded = 0;

  /// The endpoint's own failures. Back-pressure and a client's cancel are none.
  [[nodiscard]] constexpr std::uint64_t failed() const noexcept { return unreachable + timed_out + bad_response; }

  /// Calls `visit(name, count)` for each way to end, zero or not.
  template <class Visit>
  constexpr void each(Visit&& visit) const {
    visit("completed", completed);
    visit("cancelled", cancelled);
    visit(to_string(FailureKind::unreachable), unreachable);
    visit(to_string(FailureKind::timed_out), timed_out);
    visit(to_string(FailureKind::bad_response), bad_response);
    visit(to_string(FailureKind::overloaded), overloaded);
  }

  friend bool operator==(const Outcomes&, const Outcomes&) = default;
};

}  // namespace v0
}  // namespace pdroute
