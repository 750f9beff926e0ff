// SPDX-License-Identifier: Apache-2.0
// One client's connection: reads requests, writes replies, and notices when the client goes away.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "deadlines.hpp"
#include "engine_connection.hpp"
#include "event_loop.hpp"
#include "parts.hpp"
#include "reply.hpp"

namespace gateway {

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;

  ClientConnection(boost::asio::ip::tcp::socket socket, EventLoop& loop);

  /// Waits for the next request. Returns false if there is none; the caller then closes the connection. An error reply,
  /// if one is due, has been sent by then.
  boost::asio::awaitable<bool> read_request();
  [[nodiscard]] const Request& request() const { return parser_->get(); }
  [[nodiscard]] bool http_1_0() const { return parser_->get().version() < 11; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_ && !loop_.draining; }
  /// Makes the next reply the last one.
  void close_after_reply() noexcept { keep_alive_ = false; }

  /// Writes a whole reply at once. The reply to a HEAD request has no body.
  boost::asio::awaitable<void> write(const Reply& reply, std::string_view request_id = {});
  /// Writes a part of a reply.
  boost::asio::awaitable<void> write(Parts texts);

  /// From here until `work_ended`, the connection to `engine` closes if the client goes away.
  void work_begins(EngineConnection& engine);
  void work_ended() noexcept { engine_ = nullptr; }
  /// Whether the client has gone away, as far as the gateway has noticed.
  [[nodiscard]] bool gone() const { return gone_ || !socket_.is_open(); }

  void close();

 private:
  void watch();
  void lost();

  EventLoop& loop_;
  boost::asio::ip::tcp::socket socket_;
  Deadline deadline_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  EngineConnection* engine_ = nullptr;
  bool watching_ = false;
  bool gone_ = false;
  bool keep_alive_ = true;
};

}  // namespace gateway
