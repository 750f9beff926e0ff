// SPDX-License-Identifier: Apache-2.0
// pdroute_engine: an emulated inference engine that checks whether a gateway obeys vLLM's NIXL protocol.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine.hpp"
#include "fault.hpp"

namespace emulated {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

std::optional<tcp::endpoint> read_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  boost::system::error_code error;
  const auto host = asio::ip::make_address(std::string(text.substr(0, colon)), error);
  const std::string port(text.substr(colon + 1));
  const bool digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (error || !digits || std::stoul(port) > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  return tcp::endpoint(host, static_cast<std::uint16_t>(std::stoul(port)));
}

asio::awaitable<void> accept(tcp::acceptor& acceptor, Engine& engine) {
  while (true) {
    boost::system::error_code error;
    tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) asio::co_spawn(acceptor.get_executor(), engine.serve(std::move(socket)), asio::detached);
  }
}

/// Runs until SIGTERM or SIGINT, which end the engine at once, since it has nothing to save.
void run(const EngineOptions& options, const tcp::endpoint& address) {
  std::unique_ptr<Engine> engine;  // outlives the coroutines, which the io_context destroys
  asio::io_context io(1);
  tcp::acceptor acceptor(io, address);
  engine = std::make_unique<Engine>(options, io, acceptor.local_endpoint());
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](boost::system::error_code /*error*/, int /*signal*/) { io.stop(); });
  asio::co_spawn(io, accept(acceptor, *engine), asio::detached);

  const tcp::endpoint chosen = acceptor.local_endpoint();
  fmt::print("listening on {}:{}\n", chosen.address().to_string(), chosen.port());
  std::fflush(stdout);
  io.run();
  engine->close_idle();
}

int main_with(int argc, char** argv) {
  CLI::App app{"An emulated inference engine that checks whether a gateway obeys vLLM's NIXL protocol"};
  EngineOptions options;
  const std::map<std::string, EngineRole> roles{
      {"prefill", EngineRole::prefill}, {"decode", EngineRole::decode}, {"both", EngineRole::both}};
  std::map<std::string, Fault> faults;
  for (const auto& [name, fault] : fault_names) faults.emplace(name, fault);
  std::string listen = "127.0.0.1:0";
  app.add_option("--role", options.role, "prefill, decode or both")->required()->transform(CLI::Transformer(roles));
  app.add_option("--listen", listen, "ADDRESS:PORT; port 0 takes a free one")->capture_default_str();
  app.add_option("--id", options.id, "The engine's name")->capture_default_str();
  app.add_option("--time-scale", options.time_scale,
                 "Times 0.08 ms for each prompt token and 20 ms for each output token; 0: as fast as possible")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  app.add_option("--max-running", options.max_running, "Requests beyond so many get 429")->capture_default_str();
  app.add_option("--fault", options.fault, "What goes wrong")->transform(CLI::Transformer(faults));
  app.add_option("--fault-every", options.fault_every, "With every so many requests")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto address = read_address(listen);
  if (!address) {
    fmt::print(stderr, "--listen: an address is IP:PORT, such as 127.0.0.1:8100: {}\n", listen);
    return 2;
  }
  run(options, *address);
  return 0;
}

}  // namespace

}  // namespace emulated

int main(int argc, char** argv) {
  try {
    return emulated::main_with(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pdroute_engine: {}\n", error.what());
    return 1;
  }
}
