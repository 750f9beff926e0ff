// SPDX-License-Identifier: Apache-2.0
// The health of engines: learned from failed connections and from probes.
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

/// Marks an engine as unhealthy after a number of consecutive failures, and as healthy again when a probe succeeds. A
/// connection alone is no proof: the system accepts connections for a stopped engine, too.
class Health {
 public:
  using Set = std::function<void(const std::string& id, pdroute::Health)>;

  Health(const Config& config, Set set);

  /// Reports that a connection or a probe has failed. Any thread may call it.
  void failed(const Engine& engine);
  /// Probes every engine from this loop, until `stop`.
  void start(EventLoop& loop);
  void stop();

 private:
  struct Watched {
    explicit Watched(const Engine& watched) : engine(watched) {}
    Engine engine;
    std::vector<std::string> ids = {};  // ids of this engine: its address may be in both lists
    std::atomic<unsigned> failures{0};
    boost::asio::steady_timer* pause = nullptr;  // the pause before the next probe
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
