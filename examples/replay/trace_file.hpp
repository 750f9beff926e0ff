// SPDX-License-Identifier: Apache-2.0
// Opens a trace file, compressed or not, and recognises its format by what it holds.
#pragma once

#include <string>

#include "trace.hpp"

namespace replay {

/// Reads a Mooncake or Azure trace, plain or compressed by gzip. Throws TraceError.
[[nodiscard]] Trace read_trace(const std::string& path);

/// The same for a text in memory; `name` stands for the file in error messages.
[[nodiscard]] Trace parse_trace(const std::string& name, std::string text);

}  // namespace replay
