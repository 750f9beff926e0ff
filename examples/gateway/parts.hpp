// SPDX-License-Identifier: Apache-2.0
// Texts that are sent by one write without joining them first.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <string_view>

namespace gateway {

using Parts = std::array<boost::asio::const_buffer, 4>;

/// Makes a list of buffers. The texts must stay alive until they are written. This is a function because g++ 12 cannot
/// compile an array that is made in the argument list of a coroutine.
[[nodiscard]] inline Parts parts(std::string_view first, std::string_view second = {}, std::string_view third = {},
                                 std::string_view fourth = {}) {
  const auto buffer = [](std::string_view text) { return boost::asio::const_buffer(text.data(), text.size()); };
  return {buffer(first), buffer(second), buffer(third), buffer(fourth)};
}

}  // namespace gateway
