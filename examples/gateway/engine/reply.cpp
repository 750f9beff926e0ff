// SPDX-License-Identifier: Apache-2.0
#include "reply.hpp"

#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <nlohmann/json.hpp>

namespace emulated {

namespace http = boost::beast::http;

std::string whole_reply(unsigned status, std::string_view body, std::string_view type) {
  const auto reason = http::obsolete_reason(http::int_to_status(status));
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}", status,
                     std::string_view(reason.data(), reason.size()), type, body.size(), body);
}

std::string error_reply(unsigned status, std::string_view code, std::string_view message) {
  using nlohmann::json;
  const json error{{"message", message}, {"type", "invalid_request_error"}, {"param", nullptr}, {"code", code}};
  return whole_reply(status, json{{"error", error}}.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string stream_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
         "Transfer-Encoding: chunked\r\n\r\n";
}

std::string stream_piece(std::string_view text) {
  return fmt::format("{:x}\r\n{}\r\n", text.size(), text);
}

std::string stream_end() {
  return "0\r\n\r\n";
}

}  // namespace emulated
