// SPDX-License-Identifier: Apache-2.0
// pdroute_gateway: an OpenAI-compatible gateway in front of engines with separate prefill and decode.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "config.hpp"
#include "routing.hpp"
#include "server.hpp"

namespace gateway {

namespace {

int refuse(std::string_view file, const ConfigMistake& mistake) {
  fmt::print(stderr, "{}:{}: {}: {}\n", file, mistake.line, mistake.rule, mistake.value);
  return 2;
}

int run(const std::string& file, bool check_only, const std::string& listen) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    fmt::print(stderr, "{}: cannot be read\n", file);
    return 2;
  }
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  auto read = read_config(text);
  if (!read) return refuse(file, read.error());
  Config config = std::move(*read);
  if (!listen.empty()) {
    const auto address = read_address(listen);
    if (!address) {
      fmt::print(stderr, "--listen: an address is IP:PORT, such as 127.0.0.1:8000: {}\n", listen);
      return 2;
    }
    config.listen = *address;
  }

  for (const Config::Endpoint& endpoint : config.endpoints) {
    if (endpoint.engine.address == config.listen)
      return refuse(file, {endpoint.line, "an endpoint must not be the gateway itself", endpoint.engine.host});
  }
  std::random_device random;
  const std::uint64_t start = (std::uint64_t{random()} << 32U) | random();
  auto routing = Routing::create(config, start);
  if (!routing) return refuse(file, routing.error());
  if (!check_only) Server(config, *routing, start).run();
  return 0;
}

}  // namespace

}  // namespace gateway

int main(int argc, char** argv) {
  CLI::App app{"An OpenAI-compatible gateway in front of engines that split prefill and decode"};
  std::string config;
  std::string listen;
  bool check = false;
  app.add_option("--config", config, "The configuration file")->required();
  app.add_option("--listen", listen, "ADDRESS:PORT to listen on instead of the configured one");
  app.add_flag("--check", check, "Only check the configuration");
  CLI11_PARSE(app, argc, argv);
  try {
    return gateway::run(config, check, listen);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pdroute_gateway: {}\n", error.what());
    return 1;
  }
}
