// SPDX-License-Identifier: Apache-2.0
// Opens a trace file, compressed or not, and recognises its format by its contents.
#pragma once

#include <string>

#include "trace.hpp"

namespace replay {

/// Reads a Mooncake or Azure trace, plain or compressed by gzip. Throws TraceError.
[[nodiscard]] Trace read_trace(const std::string& path);

/// Reads a trace from a text in memory. `name` takes the place of the file in error messages.
[[nodiscard]] Trace parse_trace(const std::string& name, std::string text);

}  // namespace replay
