// SPDX-License-Identifier: Apache-2.0
// Connections to engines. Each serves one request at a time, and is reused for the next one.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "deadlines.hpp"
#include "parts.hpp"

namespace gateway {

class EngineConnection {
 public:
  using Duration = std::chrono::milliseconds;
  using Error = boost::system::error_code;

  EngineConnection(boost::asio::io_context& io, Deadlines& deadlines) : socket_(io), deadline_(deadlines, socket_) {}

  boost::asio::awaitable<Error> connect(const boost::asio::ip::tcp::endpoint& address, Duration timeout);
  /// Sends a request. The next data on this connection are its reply.
  boost::asio::awaitable<Error> send(Parts texts, Duration timeout);

  /// Reads once, and parses the part of the reply that has arrived.
  boost::asio::awaitable<Error> read_some(Duration timeout);
  [[nodiscard]] bool head_read() const { return reply_->is_header_done(); }
  [[nodiscard]] bool reply_read() const { return reply_->is_done(); }
  [[nodiscard]] unsigned status() const { return reply_->get().result_int(); }
  [[nodiscard]] std::string_view content_type() const;
  /// The part of the body that has been read. A caller that passes the body on in pieces clears it after each piece.
  [[nodiscard]] std::string& body() { return reply_->get().body(); }

  /// Whether an error was caused by the deadline.
  [[nodiscard]] bool timed_out() const noexcept { return deadline_.expired(); }
  /// Whether the connection can serve another request.
  [[nodiscard]] bool reusable() const;
  /// Closes the connection if it is idle for a while.
  void rest(Duration time) { deadline_.in(time); }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  /// Whether the engine has not closed the connection.
  [[nodiscard]] bool alive();
  void close();

 private:
  boost::asio::ip::tcp::socket socket_;
  Deadline deadline_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::response_parser<boost::beast::http::string_body>> reply_;
};

/// The idle connections of one event loop, by `Engine::number`.
class IdleConnections {
 public:
  explicit IdleConnections(std::size_t engines) : idle_(engines) {}

  /// The idle connection that was used last, or null.
  [[nodiscard]] std::unique_ptr<EngineConnection> take(std::size_t engine);
  void give_back(std::size_t engine, std::unique_ptr<EngineConnection> connection);

 private:
  // vLLM's server closes idle connections after five seconds, perhaps while a request is on its way. This is shorter.
  static constexpr std::chrono::seconds longest_rest{4};

  std::vector<std::vector<std::unique_ptr<EngineConnection>>> idle_;
};

}  // namespace gateway
