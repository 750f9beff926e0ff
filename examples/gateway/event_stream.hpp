// SPDX-License-Identifier: Apache-2.0
// Follows a stream of server-sent events while it is passed on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gateway {

/// Counts events, and notices the end of the stream that OpenAI's protocol demands.
class EventStream {
 public:
  /// Whether a stream can begin like this.
  [[nodiscard]] static bool can_begin(std::string_view piece) {
    constexpr std::string_view field = "data:";
    return piece.starts_with(':') || piece.starts_with("event:") || field.starts_with(piece.substr(0, field.size()));
  }

  /// Reads the next piece. Returns the number of events that end in it.
  std::uint64_t pass(std::string_view piece) {
    std::uint64_t events = 0;
    for (const char c : piece) {
      if (c == '\r') continue;  // a line may end with CR and LF
      if (c == '\n' && tail_.ends_with('\n')) ++events;
      if (tail_.size() == end.size()) tail_.erase(0, 1);
      tail_ += c;
    }
    return events;
  }
  [[nodiscard]] bool ended() const { return tail_ == end; }

 private:
  static constexpr std::string_view end = "data: [DONE]\n\n";

  std::string tail_;
};

}  // namespace gateway
