// SPDX-License-Identifier: Apache-2.0
// Ratios and sums over the result of a replay.
#include "outcome.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace replay {

std::optional<double> max_over_mean(const std::vector<EndpointShare>& shares, std::uint64_t EndpointShare::* field) {
  std::uint64_t max = 0;
  std::uint64_t sum = 0;
  for (const EndpointShare& share : shares) {
    max = std::max(max, share.*field);
    sum += share.*field;
  }
  if (sum == 0) return std::nullopt;
  return static_cast<double>(max) * static_cast<double>(shares.size()) / static_cast<double>(sum);
}

std::optional<double> max_over_mean(const Outstanding& outstanding) {
  if (outstanding.mean == 0) return std::nullopt;
  return outstanding.max / outstanding.mean;
}

std::optional<double> tokens_ahead(const Outstanding& outstanding) {
  if (outstanding.requests == 0) return std::nullopt;
  return outstanding.ahead / static_cast<double>(outstanding.requests);
}

std::uint64_t unrouted_requests(const Outcome& outcome) {
  std::uint64_t sum = 0;
  for (const auto& [reason, requests] : outcome.unrouted) sum += requests;
  return sum;
}

}  // namespace replay
