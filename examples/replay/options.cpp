// SPDX-License-Identifier: Apache-2.0
// Reads the command line of pdroute_replay.
#include "options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policies_by_name.hpp"
#include "whole_number.hpp"

namespace replay {

namespace {

// Larger tables are unreadable, and memory runs short.
constexpr std::uint64_t max_endpoints = 10'000;
constexpr std::uint64_t max_requests = 10'000'000;
constexpr std::uint64_t max_of_64_bits = std::numeric_limits<std::uint64_t>::max();

std::string policy_in(std::string_view name) {
  if (examples::policy_named(name) != nullptr) return std::string{name};
  throw UsageError(fmt::format("there is no policy {}; there are {}", name.empty() ? "without a name" : shown(name),
                               fmt::join(examples::policy_names(), ", ")));
}

std::vector<std::string> policies_in(std::string_view names) {
  std::vector<std::string> result;
  for (;;) {
    const auto comma = names.find(',');
    result.push_back(policy_in(names.substr(0, comma)));
    if (comma == std::string_view::npos) return result;
    names.remove_prefix(comma + 1);
  }
}

std::chrono::nanoseconds window(const std::string& text) {
  constexpr double longest = 1e6;  // seconds; eleven days
  char* end = nullptr;
  const double seconds = std::strtod(text.c_str(), &end);
  const bool number = !text.empty() && end == text.c_str() + text.size();
  const auto length = number && seconds > 0 && seconds <= longest ? std::llround(seconds * 1e9) : 0;
  if (length == 0) {
    throw UsageError("--qps-window: must be a number of seconds from 1e-9 to 1000000, but is " + shown(text));
  }
  return std::chrono::nanoseconds{length};
}

/// Adds an option that takes a whole number.
template <class Number>
CLI::Option* add_number(CLI::App& app, const std::string& name, Number& number, std::uint64_t least, std::uint64_t max,
                        const std::string& help) {
  const auto read = [&number, name, least, max](const std::string& text) {
    try {
      number = whole_number(text, least, max);
    } catch (const NotAWholeNumber& problem) {
      throw UsageError(name + ": " + problem.what());
    }
  };
  return app.add_option_function<std::string>(name, read, help)->type_name("N");
}

}  // namespace

std::variant<Options, HelpText> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app{"Replays a request trace through a pdroute router in virtual time and shows where requests land."};
  app.set_help_flag("--help", "Print this help and exit");

  auto* const trace =
      app.add_option("--trace", options.trace,
                     "Mooncake JSON lines or Azure CSV, perhaps gzipped; without it, a trace is generated")
          ->type_name("FILE");
  add_number(app, "--requests", options.requests, 1, max_requests, "Length of the generated trace [12031]")
      ->excludes(trace);
  add_number(app, "--prefill", options.prefill, 1, max_endpoints, "Number of prefill endpoints [4]");
  add_number(app, "--decode", options.decode, 1, max_endpoints, "Number of decode endpoints [4]");
  app.add_option_function<std::string>(
         "--policy", [&](const std::string& names) { options.policies = policies_in(names); },
         fmt::format("Prefill policies, each replayed by itself: {} [all]", fmt::join(examples::policy_names(), ", ")))
      ->type_name("NAME[,NAME...]");
  app.add_option_function<std::string>(
         "--decode-policy", [&](const std::string& name) { options.decode_policy = policy_in(name); },
         "Decode policy [the prefill policy]")
      ->type_name("NAME");
  add_number(app, "--seed", options.settings.seed, 0, max_of_64_bits,
             "Of the router and of policies that draw or hash [0]");
  app.add_option_function<std::string>(
         "--qps-window", [&](const std::string& text) { options.settings.qps_window = window(text); },
         "Window of the qps policy [60]")
      ->type_name("SECONDS");
  add_number(app, "--churn", options.churn, 0, max_of_64_bits,
             "Remove, drain and restore endpoints and cancel requests, at moments drawn from this seed")
      ->type_name("SEED");
  app.add_flag("--json", options.json, "Print one JSON array instead of tables");

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return HelpText{app.help()};
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  return options;
}

}  // namespace replay
