// SPDX-License-Identifier: Apache-2.0
// What everything in one event loop shares. One thread uses it, so nothing in it needs a lock.
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
  Health& health;                 // except for this, which all loops share
  boost::asio::io_context io{1};  // one thread runs it
  Deadlines deadlines{io};
  IdleConnections idle_connections;
  bool draining = false;  // no client is asked to come again
  Counters counters;      // others may read these
};

}  // namespace gateway
