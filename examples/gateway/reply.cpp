// SPDX-License-Identifier: Apache-2.0
#include "reply.hpp"

#include <fmt/format.h>
#include <boost/beast/http/status.hpp>
#include <iterator>
#include <nlohmann/json.hpp>

namespace gateway {

std::string error_json(unsigned status, std::string_view message, std::string_view code, std::string_view param) {
  const char* const type = status == 429   ? "rate_limit_error"
                           : status >= 500 ? "server_error"
                                           : "invalid_request_error";
  nlohmann::json error{{"message", message}, {"type", type}, {"param", nullptr}, {"code", code}};
  if (!param.empty()) error["param"] = param;
  // A message may quote a client, and the quote may be cut inside a character.
  return nlohmann::json{{"error", std::move(error)}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Reply error_reply(unsigned status, std::string_view message, std::string_view code, std::string_view param) {
  return {.status = status, .body = error_json(status, message, code, param)};
}

Reply error_reply(const RequestMistake& mistake) {
  return error_reply(mistake.status, mistake.message, mistake.code, mistake.field);
}

Reply error_reply(const pdroute::NoEndpoint& reason, std::string_view what_failed) {
  std::string message = reason.text();
  if (!what_failed.empty()) message.append("; before, ").append(what_failed);
  if (reason.too_large_for_all()) return error_reply(413, message, "too_large");
  Reply reply =
      reason.overloaded() ? error_reply(429, message, "overloaded") : error_reply(503, message, "no_endpoint");
  reply.more_headers = "Retry-After: 1\r\n";  // about once a second a request ends or an engine comes back
  return reply;
}

std::string head_text(const Head& head) {
  std::string text;
  const auto out = std::back_inserter(text);
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(head.status));
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", head.status,
                 std::string_view(reason.data(), reason.size()), head.content_type);
  if (head.length) fmt::format_to(out, "Content-Length: {}\r\n", *head.length);
  if (head.chunked) text += "Transfer-Encoding: chunked\r\nCache-Control: no-cache\r\n";
  if (!head.request_id.empty()) fmt::format_to(out, "X-Request-Id: {}\r\n", head.request_id);
  text += head.more_headers;
  text += head.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return text;
}

}  // namespace gateway
