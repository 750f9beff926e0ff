// SPDX-License-Identifier: Apache-2.0
// What a replay found out.
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

/// What all incarnations of one endpoint were given.
struct EndpointShare {
  std::string id;
  pdroute::Role role{};
  std::uint64_t requests = 0;
  std::uint64_t tokens = 0;  ///< of prompts for prefill, of outputs for decode

  friend bool operator==(const EndpointShare&, const EndpointShare&) = default;
};

/// The tokens that requests found outstanding at the endpoints of one role, summed over all requests that were routed,
/// each in the moment before it joins. Only endpoints that could be chosen count.
struct Outstanding {
  std::uint64_t looks = 0;  ///< so many requests
  double most = 0;          ///< at the endpoint with the most
  double mean = 0;          ///< on average over the endpoints
  double ahead = 0;         ///< at the chosen endpoint
};

/// What one routing decision costs.
struct DecisionCost {
  std::chrono::nanoseconds median{};  ///< of all routes, without the timer's own cost
  std::chrono::nanoseconds timer{};   ///< that cost: the median of timing nothing
};

struct Outcome {
  std::string prefill_policy;
  std::string decode_policy;
  std::uint64_t requests = 0;  ///< in the trace, routed or not
  std::vector<EndpointShare> prefill;
  std::vector<EndpointShare> decode;
  Outstanding prefill_outstanding;
  Outstanding decode_outstanding;
  std::map<std::string, std::uint64_t> unrouted;  ///< requests that found nobody, by the router's reason
  std::uint64_t cancelled = 0;                    ///< requests that a cancellation found running
  std::uint64_t in_flight_end = 0;                ///< leases and removed endpoints left over after the last end: a leak
  DecisionCost cost;
};

/// Most over mean of a field of the shares; nothing if all are zero.
[[nodiscard]] std::optional<double> max_over_mean(const std::vector<EndpointShare>& shares,
                                                  std::uint64_t EndpointShare::* field);

/// How uneven the queues are: the longest, averaged over requests, over the mean queue, averaged likewise. Long queues
/// weigh more than short ones. Nothing if nobody found any.
[[nodiscard]] std::optional<double> max_over_mean(const Outstanding& outstanding);

/// How many tokens a request finds at the endpoint chosen for it, on average; nothing if there was no request.
[[nodiscard]] std::optional<double> tokens_ahead(const Outstanding& outstanding);

[[nodiscard]] std::uint64_t unrouted_requests(const Outcome& outcome);

}  // namespace replay
