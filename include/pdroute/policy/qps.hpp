// SPDX-License-Identifier: Apache-2.0
// QpsPolicy: chooses the endpoint with the lowest arrival rate.
#pragma once

#include <pdroute/cost/arrival_rate.hpp>
#include <pdroute/policy/lowest_cost.hpp>
#include <pdroute/policy/tie_rule.hpp>

namespace pdroute {
inline namespace v0 {

/// Chooses the endpoint with the lowest arrival rate: the number of requests given to it within the sliding window
/// `cost.window`.
///
/// Guarantees. A choice counts from the moment the router reserves it. An endpoint without arrivals counts zero. With
/// one thread, the count is never below the exact one, and above it by at most the arrivals of one bucket (a sixtieth
/// of the window, see `RequestRate`). Ties follow `tie`.
///
/// Use it when arrivals must stay even while endpoints come and go: a new endpoint catches up instead of waiting for
/// its turn. Do not use it when requests differ in work: a prompt of 100,000 tokens counts the same as one of ten, and
/// a long answer no longer counts once its arrival has left the window.
///
/// Complexity: O(n) to choose, with one clock read. The rate takes O(1) and 0.5 KiB per endpoint.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the least-QPS strategy of vLLM's production stack (PR 587); the documentation says where this one differs.
template <TieRule tie = TieRule::rotating>
using QpsPolicy = LowestCostPolicy<ArrivalRate, all_candidates, tie>;

}  // namespace v0
}  // namespace pdroute
