// SPDX-License-Identifier: Apache-2.0
// QpsPolicy: the endpoint that was given the fewest requests lately.
#pragma once

#include <pdroute/cost/arrival_rate.hpp>
#include <pdroute/policy/lowest_cost.hpp>
#include <pdroute/policy/tie_rule.hpp>

namespace pdroute {
inline namespace v0 {

/// Chooses the endpoint with the lowest arrival rate: requests given to it within `window`, over the window.
///
/// Guarantees. A choice counts from the moment the router reserves it. An endpoint without arrivals counts zero. The
/// rate read is never below the exact one, and above it by at most the arrivals of one bucket (a sixtieth of the
/// window, see `RequestRate`). Ties follow `tie`.
///
/// Use it to spread arrivals evenly while endpoints come and go: a new one catches up instead of waiting for its turn.
/// It knows nothing of work: a prompt of 100,000 tokens counts as one of ten, and a long answer is invisible once its
/// arrival has left the window.
///
/// Cost: O(n) to choose, one clock read; O(1) and 0.5 KiB per endpoint for the rate.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the least-QPS strategy of vLLM's production stack (PR 587); docs/policies.md says where this one differs.
template <TieRule tie = TieRule::rotating>
using QpsPolicy = LowestCostPolicy<ArrivalRate, all_candidates, tie>;

}  // namespace v0
}  // namespace pdroute
