// SPDX-License-Identifier: Apache-2.0
// Reads traces in the format that Azure publishes: CSV with one request per row.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "trace.hpp"

namespace replay {

/// Reads the columns TIMESTAMP, ContextTokens and GeneratedTokens, in the order of the header. Blank lines are ignored.
/// `file` is for error messages. Throws TraceError.
[[nodiscard]] Trace read_azure(const std::string& file, std::string_view text);

/// Whether the line looks like a header of such a file. The header may be wrong.
[[nodiscard]] bool looks_like_azure(std::string_view first_line);

/// The time since 1970 of a text like "2023-11-16 18:17:03.9799600", or nothing if the text has another form. A second
/// may have up to nine digits. The zone "+00:00", the only one in these traces, may follow.
[[nodiscard]] std::optional<std::chrono::nanoseconds> azure_moment(std::string_view text);

}  // namespace replay
