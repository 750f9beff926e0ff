// SPDX-License-Identifier: Apache-2.0
// Reads traces as Azure publishes them: CSV with one request per row.
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

/// Whether the line is a header of such a file, if perhaps a broken one.
[[nodiscard]] bool looks_like_azure(std::string_view first_line);

/// The moment that a text like "2023-11-16 18:17:03.9799600" names, since 1970; nothing if it is no such text. Up to
/// nine digits of a second; "+00:00", the only zone these traces use, may follow.
[[nodiscard]] std::optional<std::chrono::nanoseconds> azure_moment(std::string_view text);

}  // namespace replay
