// SPDX-License-Identifier: Apache-2.0
// Says what replays found out: as tables for people, as JSON for programs.
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

/// One policy's result.
[[nodiscard]] std::string table(const Outcome& outcome);

/// All results side by side, a line per prefill policy; in Markdown, so that it can stand in a document.
[[nodiscard]] std::string comparison(std::span<const Outcome> outcomes);

/// All results, as one array with an object per policy.
[[nodiscard]] std::string json_text(std::span<const Outcome> outcomes);

/// 1234567 as "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace replay
