// SPDX-License-Identifier: Apache-2.0
// Collects the results of the benchmarks, prints them as a table, and writes them as JSON.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace bench {

class Report : public benchmark::BenchmarkReporter {
 public:
  explicit Report(std::string commit) : commit_(std::move(commit)) {}

  /// Prints the machine, the compiler and the method of measurement.
  bool ReportContext(const Context& context) override;
  /// Adds all repetitions of one benchmark.
  void ReportRuns(const std::vector<Run>& runs) override;
  /// Prints the table.
  void Finalize() override;

  void write_json(std::ostream& out) const;

 private:
  /// Medians over the repetitions in which the threads ran together; a spread is the interquartile range as a share of
  /// the median.
  struct Row {
    std::string name;
    std::size_t n = 0;
    std::int64_t threads = 0;
    double ns = 0;
    double spread = 0;
    double floor_ratio = 0;
    double floor_ratio_spread = 0;
    bool disturbed = false;  // the threads never ran together for long
    double allocations = 0;  // per decision, the maximum over all repetitions
  };

  std::string commit_;
  std::map<std::int64_t, Row> rows_;  // in the order of registration
};

}  // namespace bench
