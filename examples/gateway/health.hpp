// SPDX-License-Identifier: Apache-2.0
// Which engines work: told by failed connections, asked by probes.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <pdroute/endpoint.hpp>
#include <string>
#include <vector>

#include "config.hpp"
#include "engine.hpp"

namespace gateway {

struct EventLoop;

/// An engine is unhealthy after so many failures in a row, and healthy again when a probe succeeds. That a connection
/// can be made says nothing: the system of a stopped engine still accepts it.
class Health {
 public:
  using Set = std::function<void(const std::string& id, pdroute::Health)>;

  Health(const Config& config, Set set);

  /// A connection or a probe has failed. On any thread.
  void failed(const Engine& engine);
  /// Probes every engine from this loop, until `stop`.
  void start(EventLoop& loop);
  void stop();

 private:
  struct Watched {
    explicit Watched(const Engine& watched) : engine(watched) {}
    Engine engine;
    std::vector<std::string> ids = {};  // of this engine: its address may stand in both lists
    std::atomic<unsigned> failures{0};
    boost::asio::steady_timer* pause = nullptr;  // before the next probe
  };

  boost::asio::awaitable<void> probe_again_and_again(EventLoop& loop, Watched& watched);
  boost::asio::awaitable<bool> probe(EventLoop& loop, const Engine& engine);
  void set(const Watched& watched, pdroute::Health health);

  const Config& config_;
  Set set_;
  std::deque<Watched> engines_;  // by `Engine::number`
  bool stopped_ = false;
};

}  // namespace gateway
