// SPDX-License-Identifier: Apache-2.0
// Policies that choose by load: LeastRequestPolicy, PowerOfTwoChoicesPolicy, LeastTokensPolicy, LeastKvPolicy.
#pragma once

#include <pdroute/cost/load_costs.hpp>
#include <pdroute/policy/lowest_cost.hpp>

namespace pdroute {
inline namespace v0 {

/// Least request (Envoy's term): chooses the endpoint with the fewest requests in flight.
///
/// Guarantees. Those of `LowestCostPolicy`. A request counts from the moment the router reserves it.
///
/// Use it when requests are alike but take different times: a slow or stuck endpoint keeps its requests, and so gets
/// fewer new ones. Do not use it when requests differ in size: a prompt of 100,000 tokens counts the same as one of
/// ten.
///
/// Complexity: O(n), no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: least outstanding requests, as in Envoy, nginx (`least_conn`) and SGLang's gateway.
using LeastRequestPolicy = LowestCostPolicy<InFlight>;

/// Power of two choices: chooses the cheaper of two distinct random endpoints, by default the one with fewer requests
/// in flight.
///
/// Guarantees. Those of `LowestCostPolicy`. If both cost the same, the one drawn first wins, which favours none of
/// them.
///
/// Use it when the pool is large, or when several gateways share it: random choices do not send all gateways to the
/// same endpoint. Do not use it when the best endpoint must be found: it does not look at the others.
///
/// Complexity: O(1) for any size of the pool, no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001.
template <class Cost = InFlight>
using PowerOfTwoChoicesPolicy = LowestCostPolicy<Cost, 2>;

/// Chooses the endpoint with the fewest prompt tokens queued, for prefill.
///
/// Guarantees. Those of `LowestCostPolicy`. Tokens count from the moment the router reserves the request. Only the
/// leases of this gateway count. The `Demand` of a request says how many of its tokens are not cached.
///
/// Use it when prompts differ in length: the time of a prefill grows with its tokens. Do not use it when endpoints
/// differ in speed: the tokens of a slow endpoint count the same as those of a fast one.
///
/// Complexity: O(n), no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: active prefill tokens, as in NVIDIA Dynamo and llm-d.
using LeastTokensPolicy = LowestCostPolicy<QueuedTokens>;

/// Chooses the endpoint that holds the fewest KV tokens, for decode.
///
/// Guarantees. Those of `LowestCostPolicy`. Tokens count from the moment the router reserves the request, so KV that is
/// reserved and has not arrived counts too. `Lease::progress` adds the tokens that decode has generated.
///
/// Use it when contexts differ in length: decode iterations slow down with the KV that they read, and memory runs out
/// with it. Do not use it when endpoints differ in speed: the tokens of a slow endpoint count the same as those of a
/// fast one.
///
/// Complexity: O(n), no shared write.
/// Thread safety: `select` may be called from many threads at once, each with its own context.
/// Source: active KV blocks, as in NVIDIA Dynamo.
using LeastKvPolicy = LowestCostPolicy<HeldKvTokens>;

}  // namespace v0
}  // namespace pdroute
