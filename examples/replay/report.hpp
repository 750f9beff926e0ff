// SPDX-License-Identifier: Apache-2.0
// Formats the results of replays: as tables for people, as JSON for programs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "outcome.hpp"
#include "trace.hpp"

namespace replay {

/// One line about the trace that was replayed.
[[nodiscard]] std::string trace_line(std::string_view name, const Trace& trace);

/// A table with the result of one policy.
[[nodiscard]] std::string table(const Outcome& outcome);

/// A table that compares all results, with a row per prefill policy. It is Markdown, so that a document can include it.
[[nodiscard]] std::string comparison(std::span<const Outcome> outcomes);

/// All results as one JSON array, with an object per policy.
[[nodiscard]] std::string json_text(std::span<const Outcome> outcomes);

/// The number with separators: 1234567 becomes "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace replay
