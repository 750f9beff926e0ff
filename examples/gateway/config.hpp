// SPDX-License-Identifier: Apache-2.0
// The configuration file: one statement per line; `#` begins a comment. examples/gateway/gateway.conf shows all
// statements.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <optional>
#include <pdroute/result.hpp>
#include <pdroute/role.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine.hpp"

namespace gateway {

struct Config {
  using Duration = std::chrono::milliseconds;

  struct Timeouts {
    Duration connect{500};       ///< for a connection to an engine
    Duration first_byte{30000};  ///< for a prefill's reply, or a stream's first tokens
    Duration answer{600000};     ///< for a decode reply that is no stream: it arrives whole, after the last token
    Duration idle{30000};        ///< between two pieces in either direction, and between two requests of a client
    Duration request{10000};     ///< for a client's request, from its first byte to its last
  };
  struct HealthCheck {
    Duration every{1000};
    unsigned after = 2;  ///< consecutive failures
  };
  struct Endpoint {
    Engine engine;
    pdroute::Role role;
    std::size_t line;
  };

  boost::asio::ip::tcp::endpoint listen{boost::asio::ip::address_v4::loopback(), 8000};
  unsigned threads = 1;
  std::string model = "model";
  std::string prefill_policy = "round-robin";
  std::string decode_policy = "qps";
  std::vector<Endpoint> endpoints;
  Timeouts timeouts;
  Duration drain{10000};
  std::size_t body_limit = std::size_t{4} << 20U;
  unsigned retries = 3;  ///< at most 8, which is what FailedEndpoints remembers
  HealthCheck health_check;

  [[nodiscard]] std::vector<Engine> engines(pdroute::Role role) const;
  /// The line of the endpoint at `index` of this role's engines.
  [[nodiscard]] std::size_t line_of(pdroute::Role role, std::size_t index) const;
  /// The engines, one for each address.
  [[nodiscard]] std::vector<Engine> different_engines() const;
};

/// The first mistake of a configuration: its line, the rule that is broken, and the value that breaks it.
struct ConfigMistake {
  std::size_t line = 0;
  std::string rule;
  std::string value;
};

[[nodiscard]] pdroute::Result<Config, ConfigMistake> read_config(std::string_view text);
/// Reads an address such as "127.0.0.1:8000". Returns nothing if the text is no address.
[[nodiscard]] std::optional<boost::asio::ip::tcp::endpoint> read_address(std::string_view text);

}  // namespace gateway
