// SPDX-License-Identifier: Apache-2.0
// The command line of pdroute_replay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "generated_trace.hpp"
#include "policies_by_name.hpp"

namespace replay {

struct Options {
  std::optional<std::string> trace;              ///< a file, or nothing for a generated trace
  std::size_t requests = conversation_requests;  ///< the size of a generated trace
  std::size_t prefill = 4;
  std::size_t decode = 4;
  std::vector<std::string> policies = examples::policy_names();
  std::optional<std::string> decode_policy;  ///< nothing for the prefill policy
  examples::PolicySettings settings;
  std::optional<std::uint64_t> churn;  ///< the seed of the churn, or nothing for no churn
  bool json = false;
};

/// A sentence that says what is wrong with the command line.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The help text that --help asks for instead of a replay.
struct HelpText {
  std::string text;
};

/// Reads the command line. Throws UsageError.
[[nodiscard]] std::variant<Options, HelpText> parse_options(int argc, const char* const* argv);

}  // namespace replay
