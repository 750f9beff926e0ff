// SPDX-License-Identifier: Apache-2.0
#include "routing.hpp"

#include <pdroute/router/disaggregated_router.hpp>
#include <type_traits>

#include "policies.hpp"

namespace gateway {

namespace {

template <class Prefill, class Decode>
pdroute::Result<std::unique_ptr<Routing>, pdroute::ConfigError> make(const Config& config, std::uint64_t start) {
  using Router = pdroute::DisaggregatedRouter<typename Prefill::Policy, typename Decode::Policy, Engine>;
  const auto prefill = config.engines(pdroute::Role::prefill);
  const auto decode = config.engines(pdroute::Role::decode);
  auto router = Router::create({.prefill = prefill,
                                .decode = decode,
                                .prefill_policy = Prefill::make(start),
                                .decode_policy = Decode::make(start),
                                .seed = start});
  if (!router) return router.error();
  return std::unique_ptr<Routing>(std::make_unique<RoutingOf<Router>>(config, std::move(*router)));
}

/// Of the policies that the configuration names.
pdroute::Result<std::unique_ptr<Routing>, pdroute::ConfigError> make(const Config& config, std::uint64_t start) {
  pdroute::Result<std::unique_ptr<Routing>, pdroute::ConfigError> made{std::unique_ptr<Routing>{}};
  KnownPolicies::with(config.prefill_policy, [&]<class Prefill>(std::type_identity<Prefill> /*prefill*/) {
    KnownPolicies::with(config.decode_policy, [&]<class Decode>(std::type_identity<Decode> /*decode*/) {
      made = make<Prefill, Decode>(config, start);
    });
  });
  return made;
}

}  // namespace

pdroute::Result<std::unique_ptr<Routing>, ConfigMistake> make_routing(const Config& config, std::uint64_t start) {
  auto routing = make(config, start);
  if (routing) return std::move(*routing);
  const auto& error = routing.error();
  const std::size_t line = error.endpoint ? config.line_of(error.endpoint->role, error.endpoint->index) : 0;
  return ConfigMistake{line, std::string(to_string(error.rule)), error.value};
}

}  // namespace gateway
