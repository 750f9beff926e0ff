// SPDX-License-Identifier: Apache-2.0
// A trace: the arrival times and the lengths of requests.
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
  std::optional<pdroute::Key> key = {};  ///< of its session; nothing if the trace names none

  friend bool operator==(const TraceRequest&, const TraceRequest&) = default;
};

/// Requests in order of arrival.
using Trace = std::vector<TraceRequest>;

/// An error in a trace: the file, the line, the field and the problem.
struct TraceError : std::runtime_error {
  using std::runtime_error::runtime_error;
  TraceError(std::string_view file, std::size_t line, std::string_view field, std::string_view problem);
};

/// The most tokens of a prompt or an answer. No model reads that many, and predicted times stay far below the limit of
/// 64-bit nanoseconds.
inline constexpr std::uint64_t max_tokens = 10'000'000;

/// Collects the requests of a file, and refuses impossible ones.
class TraceBuilder {
 public:
  explicit TraceBuilder(std::string file) : file_(std::move(file)) {}

  /// Adds the request of a line. `moment` counts from any fixed point, and `field` is its name in the file.
  void add(std::size_t line, std::string_view field, std::chrono::nanoseconds moment, std::uint64_t prompt_tokens,
           std::uint64_t output_tokens, std::optional<pdroute::Key> key = {});

  /// Reads a field that counts tokens.
  [[nodiscard]] std::uint64_t tokens(std::size_t line, std::string_view field, std::string_view text) const;

  [[noreturn]] void refuse(std::size_t line, std::string_view field, std::string_view problem) const {
    throw TraceError(file_, line, field, problem);
  }

  /// The requests that were added. Throws if there are none.
  [[nodiscard]] Trace finish() &&;

 private:
  std::string file_;
  std::chrono::nanoseconds first_{};
  Trace trace_;
};

}  // namespace replay
