// SPDX-License-Identifier: Apache-2.0
// Generates a trace for a replay without a file: random and seeded, with the published statistics of a real trace.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trace.hpp"

namespace replay {

/// The size of Mooncake's conversation trace (FAST '25 release): requests in an hour.
inline constexpr std::size_t conversation_requests = 12'031;

/// Generates a trace like Mooncake's conversation trace. 3.4 requests arrive per second, in batches every three
/// seconds. Prompt and output lengths have that trace's minimum, median, 90th and 99th percentile, maximum and mean,
/// and are independent of each other. The share of sessions per request is that trace's, and most sessions have one
/// request. Lengths are drawn by strata, one from each n-th of the distribution, so that short traces have these
/// statistics, too. Same size and seed, same trace.
[[nodiscard]] Trace generate_trace(std::size_t requests = conversation_requests, std::uint64_t seed = 0);

}  // namespace replay
