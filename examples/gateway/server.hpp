// SPDX-License-Identifier: Apache-2.0
// The server: event loops, each with its own acceptor, which share one routing.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client_connection.hpp"
#include "completion_request.hpp"
#include "config.hpp"
#include "event_loop.hpp"
#include "health.hpp"
#include "reply.hpp"
#include "routing.hpp"

namespace gateway {

class Server {
 public:
  /// `process` makes this gateway's request ids different from those of other gateways.
  Server(const Config& config, Routing& routing, std::uint64_t process);

  /// Serves until SIGTERM or SIGINT, then until the running requests have ended.
  void run();

 private:
  struct Loop {
    Loop(const Config& config, Health& health, std::size_t place)
        : loop(config, health), acceptor(loop.io), number(place) {}

    EventLoop loop;
    boost::asio::ip::tcp::acceptor acceptor;
    std::size_t number;
    std::uint64_t requests = 0;
  };

  void listen();
  boost::asio::awaitable<void> accept(Loop& at);
  boost::asio::awaitable<void> serve(Loop& at, std::shared_ptr<ClientConnection> client);
  boost::asio::awaitable<void> complete(Loop& at, ClientConnection& client, CompletionKind kind);

  [[nodiscard]] Reply page(std::string_view path, boost::beast::http::verb method) const;
  [[nodiscard]] Reply ready_page() const;
  [[nodiscard]] Reply metrics_page() const;

  void drain();
  boost::asio::awaitable<void> drain(Loop& at);
  [[nodiscard]] std::uint64_t running() const;

  const Config& config_;
  Routing& routing_;
  Health health_;
  std::uint64_t process_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::atomic<bool> draining_{false};
};

}  // namespace gateway
