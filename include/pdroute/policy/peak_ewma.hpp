// SPDX-License-Identifier: Apache-2.0
// PeakEwmaPolicy: power of two choices by recent latency times outstanding requests.
#pragma once

#include <pdroute/cost/latency_costs.hpp>
#include <pdroute/policy/lowest_cost.hpp>

namespace pdroute {
inline namespace v0 {

/// Power of two choices by peak-EWMA cost (latency x outstanding requests): chooses the cheaper of two random
/// endpoints.
///
/// Guarantees. Those of `LowestCostPolicy`. The cost is the recent peak latency times the requests in flight, this one
/// included (see `PeakEwma`). Without new samples, an estimate fades to the estimate of the other endpoint, and after
/// 4.2 decays it is forgotten. So one slow answer is forgiven at any load. An endpoint without any sample is treated in
/// the same way. Estimates that differ by less than 10 % count as equal: requests in flight decide, and then chance.
///
/// Use it when endpoints differ in speed, or change their speed, and you do not know how. Leases must say when they are
/// complete: `lease.complete(clock.now())`. An endpoint that hangs gives no samples, but its unfinished requests
/// raise its cost. Do not use it when prompts differ in length: an endpoint looks slow after a long prompt.
///
/// Complexity: O(1), one clock read per route, no shared write to choose.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: the balancers of Finagle, Linkerd and Tower. In Finagle, an estimate without new samples fades to zero
/// instead. An endpoint that was idle for long then gets every request until its first answer.
using PeakEwmaPolicy = LowestCostPolicy<PeakEwma, 2>;

}  // namespace v0
}  // namespace pdroute
