// SPDX-License-Identifier: Apache-2.0
// An engine as the router holds it: this gateway's endpoint type.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <pdroute/capacity.hpp>
#include <pdroute/role.hpp>
#include <string>

namespace gateway {

struct Engine {
  std::string id;
  boost::asio::ip::tcp::endpoint address;
  pdroute::Capacity capacity = {};
  std::string host;        ///< the address as text, for the Host header
  std::size_t number = 0;  ///< of the address, counted over both roles: where its connections are kept
};

/// What the router is told of a request. Its prompt is computed by prefill and kept by both; what decode adds to it is
/// reported while it grows.
struct Prompt {
  std::uint64_t tokens = 0;

  [[nodiscard]] pdroute::Demand demand(const Engine& /*engine*/, pdroute::Role /*role*/) const {
    return {.tokens = tokens, .kv_tokens = tokens};
  }
};

}  // namespace gateway
