// SPDX-License-Identifier: Apache-2.0
// A client's connection to an engine.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <memory>
#include <string_view>

namespace emulated {

/// A client's connection. Every wait throws boost::system::system_error once the client has gone away.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  using Clock = std::chrono::steady_clock;

  explicit Connection(boost::asio::ip::tcp::socket socket);

  /// Reads the next request. Returns false if there is none.
  boost::asio::awaitable<bool> read_request();
  [[nodiscard]] const Request& request() const noexcept { return request_; }
  [[nodiscard]] std::string_view target() const;
  [[nodiscard]] std::string_view request_id() const;

  boost::asio::awaitable<void> write(std::string_view text);
  boost::asio::awaitable<void> pause_until(Clock::time_point moment);
  /// Makes the current request the last one that is read.
  void close();

 private:
  void watch();

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  Request request_;
  bool open_ = true;
  bool pausing_ = false;
  bool watching_ = false;
  bool gone_ = false;
};

}  // namespace emulated
