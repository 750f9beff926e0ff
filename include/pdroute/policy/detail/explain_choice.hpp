// SPDX-License-Identifier: Apache-2.0
// Has a policy trace for a choice: by its optional members, or not at all.
#pragma once

#include <string_view>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// See `EndpointSelector` for what the policy may say. Precondition: the context is a copy of the one that `select`
/// will be given, so that draws from it are those of the choice and change nothing.
template <class Policy, class Candidates, class Request, class Context, class Trace>
void explain_choice(const Policy& policy, const Candidates& candidates, const Request& request, Context& context,
                    Trace& trace) {
  if constexpr (requires { policy.explain(candidates, request, context, trace); }) {
    policy.explain(candidates, request, context, trace);
  } else {
    static_assert(
        !requires(Policy& changed) { changed.explain(candidates, request, context, trace); },
        "pdroute: a policy's `explain` must be const, or it is not called");
    if constexpr (requires { std::string_view{policy.reason}; }) {
      trace.reason(policy.reason);
    } else {
      trace.reason("the policy's choice");
    }
  }
}

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
