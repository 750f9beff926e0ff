// SPDX-License-Identifier: Apache-2.0
// Finds the policies by name and runs the simulation.
#include "replay.hpp"

#include <fmt/format.h>

#include <pdroute/role.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "fleet.hpp"
#include "progress.hpp"
#include "simulation.hpp"

namespace replay {

namespace {

examples::ConfiguredPolicy policy_for(std::string_view name, const examples::PolicySettings& settings) {
  const examples::NamedPolicy* const known = examples::policy_named(name);
  if (known == nullptr) throw std::invalid_argument(fmt::format("there is no policy {}", name));
  return known->make(settings);
}

}  // namespace

Outcome replay_trace(const Trace& trace, std::string_view prefill_policy, std::string_view decode_policy,
                     const Setup& setup) {
  using pdroute::Role;
  Progress progress{fmt::format("{} / {}", prefill_policy, decode_policy)};
  Simulation simulation{trace,
                        setup.churn,
                        Fleet{Role::prefill, setup.prefill_endpoints},
                        Fleet{Role::decode, setup.decode_endpoints},
                        policy_for(prefill_policy, setup.policies),
                        policy_for(decode_policy, setup.policies),
                        setup.policies.seed};
  Outcome outcome = std::move(simulation).run(progress);
  outcome.prefill_policy = prefill_policy;
  outcome.decode_policy = decode_policy;
  return outcome;
}

}  // namespace replay
