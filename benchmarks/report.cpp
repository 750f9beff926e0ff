// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "statistics.hpp"
#include "suite.hpp"

namespace bench {

namespace {

std::string cpu_model() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

std::string compiler() {
#ifdef __clang__
  return __VERSION__;
#else
  return "g++ " __VERSION__;
#endif
}

double rounded(double value, double digits) {
  return std::round(value * digits) / digits;
}

}  // namespace

bool Report::ReportContext(const Context& context) {
  fmt::print(
      "machine   {}, {} cores\n"
      "compiler  {}\n"
      "flags     {}\n"
      "commit    {}\n"
      "ns        median time of one decision of one thread, with the interquartile range of the repetitions\n"
      "x floor   times the cost of floor/pd_pair/two_choices for the same n and threads: batches of {} decisions\n"
      "          alternate with such batches of the floor, and this is the median of the quotients\n",
      cpu_model(), context.cpu_info.num_cpus, compiler(), PDROUTE_BENCHMARK_FLAGS, commit_, decisions_per_batch);
  std::fflush(stdout);
  return true;
}

void Report::ReportRuns(const std::vector<Run>& runs) {
  std::vector<double> ns;
  std::vector<double> ratios;
  Row row;
  const auto measured = [](const Run& run) { return run.run_type == Run::RT_Iteration; };
  const auto undisturbed = [&](const Run& run) { return measured(run) && run.counters.at("together") >= 0.5; };
  row.disturbed = std::none_of(runs.begin(), runs.end(), undisturbed);
  for (const Run& run : runs) {
    if (row.disturbed ? !measured(run) : !undisturbed(run)) continue;
    ns.push_back(run.counters.at("ns"));
    ratios.push_back(run.counters.at("floor_ratio"));
    row.allocations = std::max(row.allocations, run.counters.at("allocations").value);
  }
  if (ns.empty()) return;
  row.name = runs.front().run_name.function_name;
  row.n = static_cast<std::size_t>(runs.front().counters.at("n"));
  row.threads = runs.front().threads;
  row.ns = median(ns);
  row.spread = spread(ns);
  row.floor_ratio = median(ratios);
  row.floor_ratio_spread = spread(ratios);
  rows_.emplace(runs.front().family_index, std::move(row));
}

void Report::Finalize() {
  std::size_t width = 0;
  for (const auto& [order, row] : rows_) width = std::max(width, row.name.size());
  fmt::print("\n{:<{}}  {:>4} {:>8} {:>9} {:>8} {:>9} {:>8} {:>12}\n", "name", width, "n", "threads", "ns", "",
             "x floor", "", "allocations");
  std::string_view previous;
  for (const auto& [order, row] : rows_) {
    if (row.name != previous) fmt::print("\n");
    previous = row.name;
    fmt::print("{:<{}}  {:>4} {:>8} {:>9.1f} {:>6.1f} % {:>9.2f} {:>6.1f} % {:>12.4g}{}\n", row.name, width, row.n,
               row.threads, row.ns, 100 * row.spread, row.floor_ratio, 100 * row.floor_ratio_spread, row.allocations,
               row.disturbed ? "  disturbed: the machine is too busy for two threads at once" : "");
  }
}

void Report::write_json(std::ostream& out) const {
  auto all = nlohmann::ordered_json::array();
  for (const auto& [order, row] : rows_) {
    all.push_back({{"name", row.name},
                   {"n", row.n},
                   {"threads", row.threads},
                   {"ns", rounded(row.ns, 1e2)},
                   {"spread", rounded(row.spread, 1e4)},
                   {"floor_ratio", rounded(row.floor_ratio, 1e3)},
                   {"floor_ratio_spread", rounded(row.floor_ratio_spread, 1e4)},
                   {"allocations", row.allocations}});
  }
  out << all.dump(2) << '\n';
}

}  // namespace bench
