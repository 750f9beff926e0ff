// SPDX-License-Identifier: Apache-2.0
// A trace to replay where there is no file: random, seeded, with the published statistics of a real one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trace.hpp"

namespace replay {

/// The size of Mooncake's conversation trace (FAST '25 release): requests in an hour.
inline constexpr std::size_t conversation_requests = 12'031;

/// A trace like Mooncake's conversation trace: 3.4 requests per second, arriving in batches every three seconds;
/// prompt and output lengths with that trace's least, median, 90th and 99th percentile, greatest and mean, independent
/// of each other; as many sessions per request, most of them of one request. Lengths are drawn by layers, one from each
/// n-th of the distribution, so that short traces have these statistics too. Same size and seed, same trace.
[[nodiscard]] Trace generate_trace(std::size_t requests = conversation_requests, std::uint64_t seed = 0);

}  // namespace replay
