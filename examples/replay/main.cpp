// SPDX-License-Identifier: Apache-2.0
// pdroute_replay: replays a request trace through a router in virtual time and shows where requests land.
// Exit code 2 means that the command line or the trace is wrong; the message is on standard error.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "churn.hpp"
#include "generated_trace.hpp"
#include "options.hpp"
#include "outcome.hpp"
#include "replay.hpp"
#include "report.hpp"
#include "trace.hpp"
#include "trace_file.hpp"

namespace {

void run(const replay::Options& options) {
  const replay::Trace trace =
      options.trace ? replay::read_trace(*options.trace) : replay::generate_trace(options.requests);
  replay::Setup setup{
      .prefill_endpoints = options.prefill, .decode_endpoints = options.decode, .policies = options.settings};
  if (options.churn) setup.churn = replay::make_churn(trace, options.prefill, options.decode, *options.churn);

  if (!options.json) fmt::print("{}", replay::trace_line(options.trace.value_or("generated trace"), trace));
  std::vector<replay::Outcome> outcomes;
  for (const std::string& policy : options.policies) {
    outcomes.push_back(replay::replay_trace(trace, policy, options.decode_policy.value_or(policy), setup));
    if (!options.json) fmt::print("{}", replay::table(outcomes.back()));
  }
  if (options.json) {
    fmt::print("{}", replay::json_text(outcomes));
  } else if (outcomes.size() > 1) {
    fmt::print("\n{}", replay::comparison(outcomes));
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto command = replay::parse_options(argc, argv);
    if (const auto* help = std::get_if<replay::HelpText>(&command)) {
      fmt::print("{}", help->text);
    } else {
      run(std::get<replay::Options>(command));
    }
    if (std::fflush(stdout) != 0) throw std::runtime_error("standard output cannot be written");
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "pdroute_replay: {}\n", error.what());
    return 2;
  }
}
