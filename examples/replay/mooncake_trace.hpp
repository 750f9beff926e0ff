// SPDX-License-Identifier: Apache-2.0
// Reads traces in the format that Mooncake publishes: one JSON object per line.
#pragma once

#include <string>
#include <string_view>

#include "trace.hpp"

namespace replay {

/// Reads lines like {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}. The
/// timestamp is in milliseconds, the lengths are in tokens, and `hash_ids` are the blocks of the prompt; the second
/// block becomes the request's key. Other fields and blank lines are ignored. `file` is for error messages. Throws
/// TraceError.
[[nodiscard]] Trace read_mooncake(const std::string& file, std::string_view text);

}  // namespace replay
