// SPDX-License-Identifier: Apache-2.0
// Finds the simulation for two names: this file compiles it for every pair of known policies.
#include "replay.hpp"

#include <fmt/format.h>

#include <pdroute/role.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "fleet.hpp"
#include "progress.hpp"
#include "simulation.hpp"

namespace replay {

Outcome replay_trace(const Trace& trace, std::string_view prefill_policy, std::string_view decode_policy,
                     const Setup& setup) {
  using pdroute::Role;
  Outcome outcome;
  Progress progress{fmt::format("{} / {}", prefill_policy, decode_policy)};
  const auto run = [&]<class Prefill, class Decode>(std::type_identity<Prefill>, std::type_identity<Decode>) {
    Simulation simulation{trace,
                          setup.churn,
                          Fleet{Role::prefill, setup.prefill_endpoints},
                          Fleet{Role::decode, setup.decode_endpoints},
                          Prefill::make(setup.policies),
                          Decode::make(setup.policies),
                          setup.policies.seed};
    outcome = std::move(simulation).run(progress);
  };
  const bool known = KnownPolicies::with(prefill_policy, [&](auto prefill) {
    if (!KnownPolicies::with(decode_policy, [&](auto decode) { run(prefill, decode); })) {
      throw std::invalid_argument(fmt::format("there is no policy {}", decode_policy));
    }
  });
  if (!known) throw std::invalid_argument(fmt::format("there is no policy {}", prefill_policy));
  outcome.prefill_policy = prefill_policy;
  outcome.decode_policy = decode_policy;
  return outcome;
}

}  // namespace replay
