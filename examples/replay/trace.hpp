// SPDX-License-Identifier: Apache-2.0
// A trace: when requests arrived and how long they were.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/key.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace replay {

struct TraceRequest {
  std::chrono::nanoseconds arrival{};  ///< since the first request of the trace
  std::uint64_t prompt_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::optional<pdroute::Key> key = {};  ///< of its session; nothing where the trace does not say

  friend bool operator==(const TraceRequest&, const TraceRequest&) = default;
};

/// In order of arrival.
using Trace = std::vector<TraceRequest>;

/// Says which file, which line, which field, and what is wrong with it.
struct TraceError : std::runtime_error {
  using std::runtime_error::runtime_error;
  TraceError(std::string_view file, std::size_t line, std::string_view field, std::string_view problem);
};

/// No model reads that many tokens, and predicted times stay far from the ends of 64-bit nanoseconds.
inline constexpr std::uint64_t max_tokens = 10'000'000;

/// Collects the requests of a file, and refuses those that cannot be.
class TraceBuilder {
 public:
  explicit TraceBuilder(std::string file) : file_(std::move(file)) {}

  /// Adds the request of a line. `moment` counts from any fixed point; `field` is what the format calls it.
  void add(std::size_t line, std::string_view field, std::chrono::nanoseconds moment, std::uint64_t prompt_tokens,
           std::uint64_t output_tokens, std::optional<pdroute::Key> key = {});

  /// The number in a field that counts tokens.
  [[nodiscard]] std::uint64_t tokens(std::size_t line, std::string_view field, std::string_view text) const;

  [[noreturn]] void refuse(std::size_t line, std::string_view field, std::string_view problem) const {
    throw TraceError(file_, line, field, problem);
  }

  /// All that were added; throws if there are none.
  [[nodiscard]] Trace finish() &&;

 private:
  std::string file_;
  std::chrono::nanoseconds first_{};
  Trace trace_;
};

}  // namespace replay
