// SPDX-License-Identifier: Apache-2.0
// The text of the gateway's replies to clients.
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
  std::string more_headers = {};  ///< complete header lines
};

/// An error in the form that OpenAI's clients expect. `param` names the wrong field, if there is one.
[[nodiscard]] std::string error_json(unsigned status, std::string_view message, std::string_view code,
                                     std::string_view param = {});
[[nodiscard]] Reply error_reply(unsigned status, std::string_view message, std::string_view code,
                                std::string_view param = {});
[[nodiscard]] Reply error_reply(const RequestMistake& mistake);
/// The reply if no endpoint could be chosen: 429 if endpoints are full, so that a later try may succeed, else 503; both
/// with Retry-After. `what_failed` describes the last try before, if there was one.
[[nodiscard]] Reply error_reply(const pdroute::NoEndpoint& reason, std::string_view what_failed);

/// The lines before a body of unknown length. The body is sent in chunks, or without chunks up to the end of the
/// connection.
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
