// SPDX-License-Identifier: Apache-2.0
// Replays a trace under two policies, which are given by name.
#pragma once

#include <cstddef>
#include <string_view>

#include "churn.hpp"
#include "outcome.hpp"
#include "policies_by_name.hpp"
#include "trace.hpp"

namespace replay {

struct Setup {
  std::size_t prefill_endpoints = 4;
  std::size_t decode_endpoints = 4;
  examples::PolicySettings policies = {};  ///< its seed is also the router's
  ChurnSchedule churn = {};                ///< if empty, all endpoints stay and no request is cancelled
};

/// Replays the trace. Throws std::invalid_argument if `known_policies` lacks one of the names.
[[nodiscard]] Outcome replay_trace(const Trace& trace, std::string_view prefill_policy, std::string_view decode_policy,
                                   const Setup& setup);

}  // namespace replay
