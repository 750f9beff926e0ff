// SPDX-License-Identifier: Apache-2.0
// Reads traces as Mooncake publishes them: one JSON object per line.
#pragma once

#include <string>
#include <string_view>

#include "trace.hpp"

namespace replay {

/// Reads lines like {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}:
/// milliseconds, tokens, tokens, and the blocks of the prompt, of which the second becomes the request's key. Other
/// fields are ignored, and so are blank lines. `file` is for error messages. Throws TraceError.
[[nodiscard]] Trace read_mooncake(const std::string& file, std::string_view text);

}  // namespace replay
