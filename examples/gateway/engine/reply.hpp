// SPDX-License-Identifier: Apache-2.0
// The texts that make up an HTTP reply.
#pragma once

#include <string>
#include <string_view>

namespace emulated {

[[nodiscard]] std::string whole_reply(unsigned status, std::string_view body,
                                      std::string_view type = "application/json");
[[nodiscard]] std::string error_reply(unsigned status, std::string_view code, std::string_view message);

/// A stream is its head, pieces, and its end.
[[nodiscard]] std::string stream_head();
[[nodiscard]] std::string stream_piece(std::string_view text);
[[nodiscard]] std::string stream_end();

}  // namespace emulated
