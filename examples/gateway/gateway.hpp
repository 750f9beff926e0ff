// SPDX-License-Identifier: Apache-2.0
// The server: event loops, each with an acceptor and a dispatcher of its own, over one router.
#pragma once

#include <sys/socket.h>

#include <fmt/format.h>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "client_connection.hpp"
#include "completion.hpp"
#include "completion_request.hpp"
#include "config.hpp"
#include "counters.hpp"
#include "event_loop.hpp"
#include "health.hpp"
#include "pages.hpp"
#include "reply.hpp"

namespace gateway {

template <class Router>
class Gateway {
 public:
  Gateway(const Config& config, Router router, std::uint64_t process)
      : config_(config), router_(std::move(router)), health_(config_, router_), process_(process) {
    for (unsigned i = 0; i < config_.threads; ++i) loops_.push_back(std::make_unique<Loop>(config_, router_));
  }

  /// Serves until SIGTERM or SIGINT, and then until the running requests have ended.
  void run() {
    listen();
    EventLoop& first = loops_.front()->loop;
    boost::asio::signal_set signals(first.io, SIGTERM, SIGINT);
    signals.async_wait([this](boost::system::error_code error, int /*signal*/) {
      if (!error) drain();
    });
    health_.start(first);
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < loops_.size(); ++i) threads.emplace_back([this, i] { loops_[i]->loop.io.run(); });
    first.io.run();
  }

 private:
  struct Loop {
    Loop(const Config& config, Router& router) : loop(config), dispatcher(router.dispatcher()), acceptor(loop.io) {}

    EventLoop loop;
    typename Router::Dispatcher dispatcher;
    boost::asio::ip::tcp::acceptor acceptor;
    std::uint64_t numbered = 0;  // requests so far
  };

  void listen() {
    auto address = config_.listen;
    for (auto& each : loops_) {
      auto& acceptor = each->acceptor;
      acceptor.open(address.protocol());
      acceptor.set_option(boost::asio::socket_base::reuse_address(true));
      if (loops_.size() > 1) {  // alone, it is told when the port is taken
        acceptor.set_option(boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true));
      }
      acceptor.bind(address);
      acceptor.listen();
      address = acceptor.local_endpoint();  // the others follow the first to its port
      start(*each, accept(*each));
      start(*each, each->loop.deadlines.watch());
    }
    const std::string host = address.address().to_string();
    fmt::print("listening on {}:{}\n", address.address().is_v6() ? "[" + host + "]" : host, address.port());
    std::fflush(stdout);
  }

  static void start(Loop& at, boost::asio::awaitable<void> task) {
    boost::asio::co_spawn(at.loop.io, std::move(task), boost::asio::detached);
  }

  boost::asio::awaitable<void> accept(Loop& at) {
    boost::system::error_code error;
    boost::asio::steady_timer pause(at.loop.io);
    while (true) {
      auto socket = co_await at.acceptor.async_accept(boost::asio::redirect_error(boost::asio::use_awaitable, error));
      if (!at.acceptor.is_open()) co_return;
      if (error) {  // out of descriptors, say: some will be free soon
        pause.expires_after(std::chrono::milliseconds{100});
        co_await pause.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, error));
        continue;
      }
      start(at, serve(at, std::make_shared<ClientConnection>(std::move(socket), at.loop.deadlines, config_)));
    }
  }

  boost::asio::awaitable<void> serve(Loop& at, std::shared_ptr<ClientConnection> client) {
    while (co_await client->read_request()) {
      if (draining_) client->close_after_reply();
      const std::string_view path = path_of(client->request());
      if (path == "/v1/completions" || path == "/v1/chat/completions") {
        co_await complete(at, *client, path == "/v1/completions" ? CompletionKind::text : CompletionKind::chat);
      } else {
        const Reply reply = page(path, client->request().method());
        co_await client->write(reply);
      }
      if (!client->keep_alive() || client->gone()) break;
    }
    client->close();
  }

  /// A completion request, from its ticket's first entry to the last.
  boost::asio::awaitable<void> complete(Loop& at, ClientConnection& client, CompletionKind kind) {
    Ticket ticket(at.loop.counters);
    if (client.request().method() != boost::beast::http::verb::post) {
      const Reply reply = method_not_allowed("POST");
      co_await client.write(reply);
      co_return ticket.ends_as(Ending::client_error);
    }
    auto request = CompletionRequest::read(kind, client.request().body(), config_.model);
    if (!request) {
      const Reply reply = error_reply(request.error());
      co_await client.write(reply);
      co_return ticket.ends_as(Ending::client_error);
    }
    // The client's own id is not taken over: engines find each other by it.
    std::string id = fmt::format("{:016x}-{:x}-{:x}", process_, loop_number(at), at.numbered++);
    Completion<Router> completion(at.loop, at.dispatcher, health_, client, std::move(*request), std::move(id));
    ticket.ends_as(co_await completion.run());
  }

  [[nodiscard]] std::size_t loop_number(const Loop& at) const {
    std::size_t number = 0;
    while (loops_[number].get() != &at) ++number;
    return number;
  }

  [[nodiscard]] Reply page(std::string_view path, boost::beast::http::verb method) const {
    const bool known = path == "/v1/models" || path == "/health" || path == "/ready" || path == "/metrics";
    if (!known) return error_reply(404, fmt::format("there is nothing at {}", path), "not_found");
    if (method != boost::beast::http::verb::get) return method_not_allowed("GET");
    if (path == "/v1/models") return models_page(config_.model);
    if (path == "/health") return health_page();
    if (path == "/ready") return ready_page(router_, draining_);
    std::vector<const Counters*> counters;
    for (const auto& each : loops_) counters.push_back(&each->loop.counters);
    return metrics_page(router_, counters);
  }

  void drain() {
    draining_ = true;
    for (auto& each : loops_) {
      boost::asio::post(each->loop.io, [this, &at = *each] { start(at, drain(at)); });
    }
  }
  /// Completion requests, in all loops.
  [[nodiscard]] std::uint64_t running() const {
    std::uint64_t count = 0;
    for (const auto& each : loops_) count += each->loop.counters.running();
    return count;
  }
  /// No new connections; requests that run, or come over those that are open, may end within the time given.
  boost::asio::awaitable<void> drain(Loop& at) {
    at.acceptor.close();
    const auto end = std::chrono::steady_clock::now() + config_.drain;
    boost::system::error_code ignored;
    boost::asio::steady_timer pause(at.loop.io);
    while (running() > 0 && std::chrono::steady_clock::now() < end) {
      pause.expires_after(std::chrono::milliseconds{10});
      co_await pause.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    if (&at == loops_.front().get()) health_.stop();
    at.loop.deadlines.expire_all();  // what is left ends with an error, and the loop runs out of work
  }

  const Config config_;
  Router router_;
  Health<Router> health_;
  std::uint64_t process_;  // tells this gateway's request ids from others'
  std::vector<std::unique_ptr<Loop>> loops_;
  std::atomic<bool> draining_{false};
};

}  // namespace gateway
