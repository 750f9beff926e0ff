// SPDX-License-Identifier: Apache-2.0
// The engine's counts, which /admin/report and /metrics show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "protocol_rules.hpp"

namespace emulated {

constexpr std::size_t block_size = 16;  // tokens; vLLM's default
constexpr std::size_t gpu_blocks = 12500;

[[nodiscard]] constexpr std::size_t blocks_for(std::size_t tokens) noexcept {
  return (tokens + block_size - 1) / block_size;
}

class Report {
 public:
  enum class Ending { finished, cancelled, failed, refused };

  /// A running request. If it is destroyed without a call of `end`, its client has gone away.
  class Run {
   public:
    explicit Run(Report& report) noexcept : report_(&report) {
      ++report.requests_;
      ++report.running_;
    }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run() { end(Ending::cancelled); }

    void hold(std::size_t blocks) noexcept {
      blocks_ += blocks;
      report_->blocks_ += blocks;
    }
    /// Counts how the request ends. Only the first call has an effect.
    void end(Ending ending) noexcept;

   private:
    Report* report_;
    std::size_t blocks_ = 0;
  };

  void add(Violation violation);
  [[nodiscard]] std::size_t running() const noexcept { return running_; }

  /// `unclaimed` transfers hold `unclaimed_blocks`.
  [[nodiscard]] nlohmann::json json(std::size_t unclaimed) const;
  [[nodiscard]] std::string metrics(std::size_t unclaimed_blocks) const;

 private:
  std::uint64_t requests_ = 0;
  std::size_t running_ = 0;
  std::uint64_t finished_ = 0;
  std::uint64_t cancelled_ = 0;
  std::uint64_t failed_ = 0;
  std::uint64_t refused_ = 0;
  std::size_t blocks_ = 0;
  std::vector<Violation> violations_;
};

}  // namespace emulated
