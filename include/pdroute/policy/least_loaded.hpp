// SPDX-License-Identifier: Apache-2.0
// Policies that choose the lowest load: LeastRequestPolicy, PowerOfTwoChoicesPolicy, LeastTokensPolicy, LeastKvPolicy.
#pragma once

#include <pdroute/cost/load_costs.hpp>
#include <pdroute/policy/lowest_cost.hpp>

namespace pdroute {
inline namespace v0 {

/// The fewest requests in flight.
///
/// Use it when requests are alike but take different times: a slow or stuck endpoint keeps its requests, and so gets
/// fewer. It does not see size: a prompt of 100,000 tokens counts as one of ten.
/// Source: least outstanding requests, as in Envoy, nginx (`least_conn`) and SGLang's gateway.
using LeastRequestPolicy = LowestCostPolicy<InFlight>;

/// The better of two random ones. O(1) however large the pool, and the rule to take when several gateways share it.
/// Source: Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001.
template <class Cost = InFlight>
using PowerOfTwoChoicesPolicy = LowestCostPolicy<Cost, 2>;

/// The fewest prompt tokens queued: for prefill, whose time grows with the tokens.
///
/// It takes an endpoint's tokens from the leases of this gateway alone; a lease's weight says how many are not cached.
/// Source: active prefill tokens, as in NVIDIA Dynamo and llm-d.
using LeastTokensPolicy = LowestCostPolicy<QueuedTokens>;

/// The fewest tokens of KV held: for decode, whose iterations slow down with the KV that they read and whose memory
/// ends with it. It counts from the choice, so what is reserved but has not arrived counts; `Lease::progress` adds what
/// decode has generated.
/// Source: active KV blocks, as in NVIDIA Dynamo.
using LeastKvPolicy = LowestCostPolicy<HeldKvTokens>;

}  // namespace v0
}  // namespace pdroute
