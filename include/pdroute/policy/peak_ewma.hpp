// SPDX-License-Identifier: Apache-2.0
// PeakEwmaPolicy: power of two choices by recent latency times outstanding requests.
#pragma once

#include <pdroute/cost/latency_costs.hpp>
#include <pdroute/policy/lowest_cost.hpp>

namespace pdroute {
inline namespace v0 {

/// The better of two random ones by peak EWMA: how slow lately, times how many are there already. For endpoints of
/// different or changing speed that nobody told you of.
///
/// Leases must say when they are complete: `lease.complete(clock.now())`. One that hangs completes nothing, and is seen
/// by the requests that it keeps.
///
/// Differs from Finagle, where an estimate without new samples fades to zero and the endpoint, idle for long, then gets
/// everything until its first answer: here it fades to what the other one shows. An endpoint without samples is no
/// special case of that.
/// Source: Finagle's, Linkerd's and Tower's balancers.
using PeakEwmaPolicy = LowestCostPolicy<PeakEwma, 2>;

}  // namespace v0
}  // namespace pdroute
