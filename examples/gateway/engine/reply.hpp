// SPDX-License-Identifier: Apache-2.0
// The text of HTTP replies.
#pragma once

#include <string>
#include <string_view>

namespace emulated {

[[nodiscard]] std::string whole_reply(unsigned status, std::string_view body,
                                      std::string_view type = "application/json");
[[nodiscard]] std::string error_reply(unsigned status, std::string_view code, std::string_view message);

/// A stream is a head, pieces and an end.
[[nodiscard]] std::string stream_head();
[[nodiscard]] std::string stream_piece(std::string_view text);
[[nodiscard]] std::string stream_end();

}  // namespace emulated
