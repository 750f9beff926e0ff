// SPDX-License-Identifier: Apache-2.0
// The result of a replay.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <pdroute/role.hpp>
#include <string>
#include <vector>

namespace replay {

/// The requests and tokens that all incarnations of one endpoint got.
struct EndpointShare {
  std::string id;
  pdroute::Role role{};
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;  ///< prompt tokens for prefill, output tokens for decode

  friend bool operator==(const EndpointShare&, const EndpointShare&) = default;
};

/// The tokens outstanding at the endpoints of one role, summed over all routed requests. Each request adds what it
/// finds just before it joins. Only endpoints that can be chosen count.
struct Outstanding {
  std::uint64_t requests = 0;  ///< the number of requests
  double max = 0;              ///< at the endpoint with the most tokens
  double mean = 0;             ///< on average over the endpoints
  double ahead = 0;            ///< at the chosen endpoint
};

/// The cost of one routing decision.
struct DecisionCost {
  std::chrono::nanoseconds median{};  ///< the median over all routes, without the timer's own cost
  std::chrono::nanoseconds timer{};   ///< the timer's own cost: the median of timing an empty call
};

struct Outcome {
  std::string prefill_policy;
  std::string decode_policy;
  std::uint64_t requests = 0;  ///< in the trace, routed or not
  std::vector<EndpointShare> prefill;
  std::vector<EndpointShare> decode;
  Outstanding prefill_outstanding;
  Outstanding decode_outstanding;
  std::map<std::string, std::uint64_t> unrouted;  ///< requests that found no endpoint, by the router's reason
  std::uint64_t cancelled = 0;                    ///< requests that were cancelled while they ran
  std::uint64_t in_flight_end = 0;                ///< leases and removed endpoints left over after the last end: a leak
  DecisionCost cost;
};

/// Maximum over mean of a field of the shares; nothing if all are zero.
[[nodiscard]] std::optional<double> max_over_mean(const std::vector<EndpointShare>& shares,
                                                  std::uint64_t EndpointShare::* field);

/// How uneven the queues are: the longest queue, averaged over requests, divided by the mean queue, averaged over
/// requests. Long queues weigh more than short ones. Nothing if no request found a queue.
[[nodiscard]] std::optional<double> max_over_mean(const Outstanding& outstanding);

/// The mean number of tokens that a request finds at its chosen endpoint; nothing if there was no request.
[[nodiscard]] std::optional<double> tokens_ahead(const Outstanding& outstanding);

[[nodiscard]] std::uint64_t unrouted_requests(const Outcome& outcome);

}  // namespace replay
