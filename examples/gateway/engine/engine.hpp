// SPDX-License-Identifier: Apache-2.0
// An emulated engine: it computes nothing, but takes time, replies with words, and checks the gateway.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "claims.hpp"
#include "completion_request.hpp"
#include "completion_text.hpp"
#include "connection.hpp"
#include "fault.hpp"
#include "protocol_rules.hpp"
#include "report.hpp"
#include "transfers.hpp"

namespace emulated {

struct EngineOptions {
  EngineRole role = EngineRole::both;
  std::string id = "engine";
  double time_scale = 1;  ///< 0 means as fast as possible
  std::size_t max_running = 256;
  Fault fault = Fault::none;
  std::uint64_t fault_every = 1;
};

/// Used only by the thread that runs the io_context. The io_context is destroyed before it.
class Engine {
 public:
  Engine(const EngineOptions& options, boost::asio::io_context& io, const boost::asio::ip::tcp::endpoint& address);

  /// Call this after the io_context has stopped and before it is destroyed.
  void close_idle() { claims_.close_idle(); }
  /// Serves one client until it goes away.
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);

 private:
  using Clock = Connection::Clock;
  using Milliseconds = std::chrono::duration<double, std::milli>;
  using Run = Report::Run;
  using Ending = Report::Ending;

  boost::asio::awaitable<void> answer(Connection& client);
  [[nodiscard]] std::string page(const Connection::Request& request, std::string_view path);
  [[nodiscard]] std::string set_fault(std::string_view body);
  [[nodiscard]] std::string claim(std::string_view body);

  boost::asio::awaitable<void> complete(Connection& client, CompletionKind kind);
  boost::asio::awaitable<void> prefill(Connection& client, Run& run, const CompletionRequest& request, Fault fault);
  boost::asio::awaitable<void> decode(Connection& client, Run& run, const CompletionRequest& request, Fault fault);
  boost::asio::awaitable<void> generate(Connection& client, Run& run, const CompletionRequest& request, Fault fault);
  boost::asio::awaitable<void> stream(Connection& client, Run& run, const CompletionText& text, std::size_t tokens,
                                      Fault fault);

  boost::asio::awaitable<void> refuse(Connection& client, Run& run, unsigned status, std::string_view code,
                                      std::string_view message);
  boost::asio::awaitable<void> refuse(Connection& client, Run& run, const Violation& violation);
  boost::asio::awaitable<bool> spoil(Connection& client, Run& run, Fault fault);
  boost::asio::awaitable<void> send(Connection& client, Run& run, std::string reply, Fault fault);

  [[nodiscard]] Clock::duration scaled(double milliseconds) const;
  [[nodiscard]] Clock::duration prefill_time(const CompletionRequest& request) const;

  EngineOptions options_;
  Report report_;
  Faults faults_;
  Transfers transfers_;
  Claims claims_;
};

}  // namespace emulated
