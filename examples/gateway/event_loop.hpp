// SPDX-License-Identifier: Apache-2.0
// The state that all connections of one event loop share. One thread uses it, so it needs no lock.
#pragma once

#include <boost/asio/io_context.hpp>

#include "config.hpp"
#include "counters.hpp"
#include "deadlines.hpp"
#include "engine_connection.hpp"

namespace gateway {

class Health;

struct EventLoop {
  EventLoop(const Config& configuration, Health& engine_health)
      : config(configuration), health(engine_health), idle_connections(configuration.different_engines().size()) {}

  const Config& config;
  Health& health;                 // the exception: all loops share it
  boost::asio::io_context io{1};  // one thread runs it
  Deadlines deadlines{io};
  IdleConnections idle_connections;
  bool draining = false;  // no connection is kept for another request
  Counters counters;      // other threads may read these
};

}  // namespace gateway
