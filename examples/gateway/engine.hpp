// SPDX-License-Identifier: Apache-2.0
// This gateway's endpoint type: an engine as the router holds it.
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
  std::size_t number = 0;  ///< the number of its address, over both roles: the index of its connections
};

/// The request facts for the router. Prefill computes the prompt, and both roles hold it. The tokens that decode adds
/// are reported while the answer grows.
struct Prompt {
  std::uint64_t tokens = 0;

  [[nodiscard]] pdroute::Demand demand(const Engine& /*engine*/, pdroute::Role /*role*/) const {
    return {.tokens = tokens, .kv_tokens = tokens};
  }
};

}  // namespace gateway
