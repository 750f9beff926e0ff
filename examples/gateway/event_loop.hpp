// SPDX-License-Identifier: Apache-2.0
// What everything in one event loop shares. One thread uses it, so nothing in it is locked.
#pragma once

#include <boost/asio/io_context.hpp>

#include "config.hpp"
#include "counters.hpp"
#include "deadlines.hpp"
#include "engine_connection.hpp"

namespace gateway {

struct EventLoop {
  explicit EventLoop(const Config& configuration)
      : config(configuration), idle_connections(configuration.different_engines().size()) {}

  const Config& config;
  boost::asio::io_context io{1};  // one thread runs it
  Deadlines deadlines{io};
  IdleConnections idle_connections;
  Counters counters;  // others may read these
};

}  // namespace gateway
