// SPDX-License-Identifier: Apache-2.0
// explain_choice: asks a policy to explain its choice, by the optional members that it has.
#pragma once

#include <string_view>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// Calls `policy.explain`, or gives `policy.reason` to the trace, or a general reason if the policy has neither.
/// `EndpointSelector` describes both members. Precondition: the context gives the same draws as the one of `select`,
/// and its state is a copy. An explanation then shows the real choice and changes nothing.
template <class Policy, class Candidates, class Request, class Context, class Trace>
void explain_choice(const Policy& policy, const Candidates& candidates, const Request& request, Context& context,
                    Trace& trace) {
  if constexpr (requires { policy.explain(candidates, request, context, trace); }) {
    policy.explain(candidates, request, context, trace);
  } else {
    static_assert(
        !requires(Policy& changed) { changed.explain(candidates, request, context, trace); },
        "pdroute: a policy's `explain` must be const; otherwise it is ignored");
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
