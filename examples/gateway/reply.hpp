// SPDX-License-Identifier: Apache-2.0
// What the gateway says to a client, as text.
#pragma once

#include <cstddef>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <string>
#include <string_view>

#include "completion_request.hpp"

namespace gateway {

struct Reply {
  unsigned status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::string more_headers = {};  ///< whole lines
};

/// An error as OpenAI's clients expect it. `param` names the field at fault, if there is one.
[[nodiscard]] std::string error_json(unsigned status, std::string_view message, std::string_view code,
                                     std::string_view param = {});
[[nodiscard]] Reply error_reply(unsigned status, std::string_view message, std::string_view code,
                                std::string_view param = {});
[[nodiscard]] Reply error_reply(const RequestMistake& mistake);
/// Nobody could be chosen: 429 if it may be worth waiting for room, else 503, both with Retry-After. `what_failed` was
/// tried before, if anything was.
[[nodiscard]] Reply error_reply(const pdroute::NoEndpoint& reason, std::string_view what_failed);

/// The lines before a body. No length: the body comes in chunks or, without them, to the end of the connection.
struct Head {
  unsigned status = 200;
  std::string_view content_type;
  std::string_view more_headers = {};
  std::string_view request_id = {};
  std::optional<std::size_t> length = {};
  bool chunked = false;
  bool keep_alive = true;
};
[[nodiscard]] std::string head_text(const Head& head);

}  // namespace gateway
