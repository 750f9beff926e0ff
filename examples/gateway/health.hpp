// SPDX-License-Identifier: Apache-2.0
// Which engines work: told by failed connections, asked by probes.
#pragma once

#include <fmt/format.h>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <deque>
#include <pdroute/endpoint.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"
#include "engine_connection.hpp"
#include "event_loop.hpp"

namespace gateway {

/// An engine is unhealthy after so many failures in a row, and healthy again when a probe succeeds. That a connection
/// can be made says nothing: the system of a stopped engine still accepts it.
template <class Router>
class Health {
 public:
  Health(const Config& config, Router& router) : config_(config), router_(router) {
    for (const Engine& engine : config.different_engines()) engines_.emplace_back(engine);
    for (const Config::Endpoint& endpoint : config.endpoints)
      engines_[endpoint.engine.number].ids.push_back(endpoint.engine.id);
  }

  /// A connection or a probe has failed. On any thread.
  void failed(const Engine& engine) {
    Watched& watched = engines_[engine.number];
    if (watched.failures.fetch_add(1, std::memory_order_relaxed) + 1 == config_.health_check.after)
      set(watched, pdroute::Health::unhealthy);
  }

  /// Probes every engine from this loop, until `stop`.
  void start(EventLoop& loop) {
    for (Watched& watched : engines_)
      boost::asio::co_spawn(loop.io, probe_again_and_again(loop, watched), boost::asio::detached);
  }
  void stop() {
    stopped_ = true;
    for (Watched& watched : engines_) {
      if (watched.pause != nullptr) watched.pause->cancel();
    }
  }

 private:
  struct Watched {
    explicit Watched(const Engine& watched) : engine(watched) {}
    Engine engine;
    std::vector<std::string> ids = {};  // of this engine, in one role or both
    std::atomic<unsigned> failures{0};
    boost::asio::steady_timer* pause = nullptr;  // before the next probe
  };

  boost::asio::awaitable<void> probe_again_and_again(EventLoop& loop, Watched& watched) {
    boost::asio::steady_timer pause(loop.io);
    watched.pause = &pause;
    boost::system::error_code ignored;
    while (!stopped_) {
      const bool works = co_await probe(loop, watched.engine);
      if (works) {
        watched.failures.store(0, std::memory_order_relaxed);
        set(watched, pdroute::Health::healthy);
      } else if (!stopped_) {
        failed(watched.engine);
      }
      if (stopped_) break;
      pause.expires_after(config_.health_check.every);
      co_await pause.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    watched.pause = nullptr;
  }

  /// A connection of its own for each probe: it also shows that the engine takes new ones.
  boost::asio::awaitable<bool> probe(EventLoop& loop, const Engine& engine) {
    EngineConnection connection(loop.io, loop.deadlines);
    const auto wait = config_.health_check.every;
    if (co_await connection.connect(engine.address, wait)) co_return false;
    const std::string question =
        fmt::format("GET /health HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", engine.host);
    if (co_await connection.send(parts(question), wait)) co_return false;
    while (!connection.head_read()) {
      if (co_await connection.read_some(wait)) co_return false;
    }
    co_return connection.status() == 200;
  }

  void set(const Watched& watched, pdroute::Health health) {
    for (const std::string& id : watched.ids) router_.set_health(id, health);
  }

  const Config& config_;
  Router& router_;
  std::deque<Watched> engines_;  // by `Engine::number`
  bool stopped_ = false;
};

}  // namespace gateway
