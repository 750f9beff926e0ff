// SPDX-License-Identifier: Apache-2.0
#include "health.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "engine_connection.hpp"
#include "event_loop.hpp"
#include "parts.hpp"

namespace gateway {

namespace asio = boost::asio;

Health::Health(const Config& config, Set set) : config_(config), set_(std::move(set)) {
  for (const Engine& engine : config.different_engines()) engines_.emplace_back(engine);
  for (const Config::Endpoint& endpoint : config.endpoints) {
    auto& ids = engines_[endpoint.engine.number].ids;
    if (std::find(ids.begin(), ids.end(), endpoint.engine.id) == ids.end()) ids.push_back(endpoint.engine.id);
  }
}

void Health::failed(const Engine& engine) {
  Watched& watched = engines_[engine.number];
  if (watched.failures.fetch_add(1, std::memory_order_relaxed) + 1 >= config_.health_check.after)
    set(watched, pdroute::Health::unhealthy);
}

void Health::start(EventLoop& loop) {
  for (Watched& watched : engines_) asio::co_spawn(loop.io, probe_again_and_again(loop, watched), asio::detached);
}

void Health::stop() {
  stopped_ = true;
  for (Watched& watched : engines_) {
    if (watched.pause != nullptr) watched.pause->cancel();
  }
}

asio::awaitable<void> Health::probe_again_and_again(EventLoop& loop, Watched& watched) {
  asio::steady_timer pause(loop.io);
  watched.pause = &pause;
  boost::system::error_code ignored;
  while (!stopped_) {
    const bool works = co_await probe(loop, watched.engine);
    if (stopped_) break;
    if (works) {
      watched.failures.store(0, std::memory_order_relaxed);
      set(watched, pdroute::Health::healthy);  // after each success: another thread may have set it unhealthy
    } else {
      failed(watched.engine);
    }
    pause.expires_after(config_.health_check.every);
    co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  watched.pause = nullptr;
}

/// Opens a new connection for each probe, which also shows that the engine accepts new ones.
asio::awaitable<bool> Health::probe(EventLoop& loop, const Engine& engine) {
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

void Health::set(const Watched& watched, pdroute::Health health) {
  for (const std::string& id : watched.ids) set_(id, health);
}

}  // namespace gateway
