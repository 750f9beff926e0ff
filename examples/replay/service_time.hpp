// SPDX-License-Identifier: Apache-2.0
// Predicts how long a request runs: a cost model of Llama-3-70B in BF16 on four H100 per endpoint.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace replay {

/// The gateway tells the router that an answer has grown after each lot of this many tokens. It cannot know how long
/// the answer will be.
inline constexpr std::uint64_t tokens_per_report = 256;

/// The requests that an endpoint decodes at one moment.
struct DecodeBatch {
  std::uint64_t requests = 0;
  std::uint64_t kv_tokens = 0;  ///< prompts and outputs of all these requests
};

namespace detail {

[[nodiscard]] inline std::chrono::nanoseconds milliseconds(double count) {
  constexpr double max = 1e12;  // thirty years; no sum of these overflows, even for an absurd trace
  return std::chrono::nanoseconds{static_cast<std::int64_t>(std::min(count, max) * 1e6)};
}

}  // namespace detail

/// The time to compute a whole prompt alone, with nothing cached: a fixed part, the linear layers, causal attention.
[[nodiscard]] inline std::chrono::nanoseconds prefill_time(std::uint64_t prompt_tokens) {
  const auto n = static_cast<double>(prompt_tokens);
  return detail::milliseconds(15 + 0.065 * n + 8.2e-7 * n * n);
}

/// The time to send the prompt's keys and values from the prefill to the decode endpoint by RDMA.
[[nodiscard]] inline std::chrono::nanoseconds transfer_time(std::uint64_t prompt_tokens) {
  constexpr double bytes_per_token = 327'680;  // 80 layers, 8 heads of 128, keys and values of two bytes
  constexpr double bytes_per_millisecond = 40e6;
  return detail::milliseconds(1 + static_cast<double>(prompt_tokens) * bytes_per_token / bytes_per_millisecond);
}

/// The time to generate all output tokens at the speed of a batch that does not change.
[[nodiscard]] inline std::chrono::nanoseconds decode_time(std::uint64_t output_tokens, const DecodeBatch& batch) {
  const double iteration =
      19 + 0.03 * static_cast<double>(batch.requests) + 3.5e-5 * static_cast<double>(batch.kv_tokens);
  return detail::milliseconds(static_cast<double>(output_tokens) * iteration);
}

}  // namespace replay
