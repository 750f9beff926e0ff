// SPDX-License-Identifier: Apache-2.0
// Checks the requests of a trace, and formats the errors.
#include "trace.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <pdroute/key.hpp>
#include <string_view>
#include <utility>

#include "whole_number.hpp"

namespace replay {

TraceError::TraceError(std::string_view file, std::size_t line, std::string_view field, std::string_view problem)
    : std::runtime_error(fmt::format("{}:{}: {}: {}", file, line, field, problem)) {}

void TraceBuilder::add(std::size_t line, std::string_view field, std::chrono::nanoseconds moment,
                       std::uint64_t prompt_tokens, std::uint64_t output_tokens, std::optional<pdroute::Key> key) {
  // Longer than any trace. With every predicted time added, it still fits into 64-bit nanoseconds.
  constexpr std::chrono::hours longest{24 * 365 * 10};
  if (trace_.empty()) first_ = moment;
  const auto arrival = moment - first_;
  if (arrival < (trace_.empty() ? arrival : trace_.back().arrival)) {
    refuse(line, field, "must not be earlier than in the request before");
  }
  if (arrival > longest) refuse(line, field, "must be within ten years of the first request");
  trace_.push_back({arrival, prompt_tokens, output_tokens, key});
}

std::uint64_t TraceBuilder::tokens(std::size_t line, std::string_view field, std::string_view text) const {
  try {
    return whole_number(text, 0, max_tokens);
  } catch (const NotAWholeNumber& problem) {
    refuse(line, field, problem.what());
  }
}

Trace TraceBuilder::finish() && {
  if (trace_.empty()) throw TraceError(fmt::format("{}: holds no request", file_));
  return std::move(trace_);
}

}  // namespace replay
