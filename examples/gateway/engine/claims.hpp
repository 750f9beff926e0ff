// SPDX-License-Identifier: Apache-2.0
// The decode engine's side of a transfer: it claims a computed prompt from the prefill engine.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace emulated {

/// Emulates NIXL's transfer from the memory of one engine to another.
class Claims {
 public:
  explicit Claims(boost::asio::io_context& io) : io_(io) {}

  struct Reply {
    unsigned status = 0;    ///< 0 if the prefill engine does not answer
    nlohmann::json issued;  ///< set if the status is 200
  };
  /// Closes the idle connections. They must not outlive the io_context.
  void close_idle() { idle_.clear(); }
  /// Claims the transfer from the engine that these parameters name.
  boost::asio::awaitable<Reply> claim(const nlohmann::json& params);

 private:
  using Address = boost::asio::ip::tcp::endpoint;
  using Stream = boost::beast::tcp_stream;

  [[nodiscard]] Stream take(const Address& address);

  boost::asio::io_context& io_;
  std::map<Address, std::vector<Stream>> idle_;
};

}  // namespace emulated
