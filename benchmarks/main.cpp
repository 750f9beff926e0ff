// SPDX-License-Identifier: Apache-2.0
// Reads the options and runs the benchmarks.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <regex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "allocations.hpp"
#include "report.hpp"
#include "suite.hpp"

namespace {

constexpr std::string_view usage =
    "options: --json FILE       write the results as one JSON array\n"
    "         --filter REGEX    only benchmarks with a matching name, such as ^pd_pair/random/random$ or "
    "/n:64/threads:1$\n"
    "         --repetitions N   of each benchmark, all shuffled (default: 15)\n"
    "         --commit TEXT     what to print as the commit\n";

struct UsageError : std::runtime_error {
  using runtime_error::runtime_error;
};

struct Options {
  std::string json;
  std::string filter;
  int repetitions = 15;
  std::string commit = "unknown";
};

int positive(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 1) {
    throw UsageError(fmt::format("--repetitions needs a number from 1, not '{}'", text));
  }
  return number;
}

Options parse(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string_view name = arguments[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == arguments.size()) throw UsageError(fmt::format("{} needs a value", name));
      return arguments[i + 1];
    };
    if (name == "--json") {
      options.json = value();
    } else if (name == "--filter") {
      options.filter = value();
    } else if (name == "--repetitions") {
      options.repetitions = positive(value());
    } else if (name == "--commit") {
      options.commit = value();
    } else {
      throw UsageError(fmt::format("unknown option '{}'", name));
    }
  }
  return options;
}

bench::Suite suite_of(const std::string& filter) try {
  return bench::Suite(std::regex(filter, std::regex::extended));
} catch (const std::regex_error& error) {
  throw UsageError(fmt::format("--filter: '{}' is not a regular expression: {}", filter, error.what()));
}

void run(const Options& options) {
  bench::Suite suite = suite_of(options.filter);
  bench::add_pd_pairs(suite);
  bench::add_selects(suite);
  if (suite.empty()) throw UsageError(fmt::format("--filter: no benchmark matches '{}'", options.filter));
  std::ofstream json;
  if (!options.json.empty()) {
    json.open(options.json);
    if (!json) throw UsageError(fmt::format("--json: cannot write to '{}'", options.json));
  }

  // The C library's locks are cheaper in a program that never had a second thread. Start one, so that results do not
  // depend on the filter.
  std::thread([] {}).join();

  // The benchmark library takes its settings only as arguments.
  std::string repetitions = fmt::format("--benchmark_repetitions={}", options.repetitions);
  std::string shuffled = "--benchmark_enable_random_interleaving=true";
  std::string program = "pdroute_benchmarks";
  std::array<char*, 4> arguments{program.data(), repetitions.data(), shuffled.data(), nullptr};
  int count = 3;
  benchmark::Initialize(&count, arguments.data());

  bench::Report report(options.commit);
  benchmark::RunSpecifiedBenchmarks(&report);
  if (bench::allocations_of_this_thread() == 0) throw std::logic_error("allocations are not being counted");
  if (json.is_open()) report.write_json(json);
}

}  // namespace

int main(int argc, char** argv) try {
  run(parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1)));
} catch (const UsageError& error) {
  fmt::print(stderr, "{}\n{}", error.what(), usage);
  return 2;
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
