// SPDX-License-Identifier: Apache-2.0
// A decode engine asks a prefill engine for the prompt that it has computed.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

namespace emulated {

/// Stands for NIXL's transfer from one engine's memory to another's.
class Claims {
 public:
  explicit Claims(boost::asio::io_context& io) : io_(io) {}

  struct Reply {
    unsigned status = 0;    ///< 0: the prefill engine does not answer
    nlohmann::json issued;  ///< if the status is 200
  };
  /// Closes the connections that wait for their next use. They must not outlive the io_context.
  void close_idle() { idle_.clear(); }
  /// Asks the engine that these parameters name.
  boost::asio::awaitable<Reply> claim(const nlohmann::json& params);

 private:
  using Address = boost::asio::ip::tcp::endpoint;
  using Stream = boost::beast::tcp_stream;

  [[nodiscard]] Stream take(const Address& address);

  boost::asio::io_context& io_;
  std::map<Address, std::vector<Stream>> idle_;
};

}  // namespace emulated
