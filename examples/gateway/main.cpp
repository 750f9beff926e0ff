// SPDX-License-Identifier: Apache-2.0
// pdroute_gateway: an OpenAI-compatible gateway in front of engines that split prefill and decode.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <optional>
#include <pdroute/router/disaggregated_router.hpp>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "config.hpp"
#include "engine.hpp"
#include "gateway.hpp"
#include "policies.hpp"

namespace gateway {

namespace {

/// Calls `use` with the router type of the policies that the configuration names.
template <class Use>
void with_router_type(const Config& config, const Use& use) {
  KnownPolicies::with(config.prefill_policy, [&]<class Prefill>(std::type_identity<Prefill> /*prefill*/) {
    KnownPolicies::with(config.decode_policy, [&]<class Decode>(std::type_identity<Decode> /*decode*/) {
      use.template operator()<Prefill, Decode>();
    });
  });
}

template <class Prefill, class Decode>
auto make_router(const Config& config, std::uint64_t start) {
  const auto prefill = config.engines(pdroute::Role::prefill);
  const auto decode = config.engines(pdroute::Role::decode);
  return pdroute::DisaggregatedRouter<typename Prefill::Policy, typename Decode::Policy, Engine>::create(
      {.prefill = prefill,
       .decode = decode,
       .prefill_policy = Prefill::make(start),
       .decode_policy = Decode::make(start),
       .seed = start});
}

/// The router's own rules. It is given one endpoint more each time, to find the line at fault.
template <class Prefill, class Decode>
std::optional<ConfigMistake> check(const Config& config) {
  Config part = config;
  part.endpoints.clear();
  for (const Config::Endpoint& endpoint : config.endpoints) {
    part.endpoints.push_back(endpoint);
    if (const auto router = make_router<Prefill, Decode>(part, 0); !router) {
      return ConfigMistake{endpoint.line, std::string(to_string(router.error().rule)), router.error().value};
    }
  }
  return std::nullopt;
}

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

  int status = 0;
  with_router_type(config, [&]<class Prefill, class Decode>() {
    if (const auto mistake = check<Prefill, Decode>(config)) {
      status = refuse(file, *mistake);
    } else if (!check_only) {
      std::random_device random;
      const std::uint64_t start = (std::uint64_t{random()} << 32U) | random();
      auto router = make_router<Prefill, Decode>(config, start).value();
      Gateway<decltype(router)> gateway(config, std::move(router), start);
      gateway.run();
    }
  });
  return status;
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
