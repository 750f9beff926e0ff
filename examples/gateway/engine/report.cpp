// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace emulated {

void Report::Run::end(Ending ending) noexcept {
  if (report_ == nullptr) return;
  Report& report = *std::exchange(report_, nullptr);
  --report.running_;
  report.blocks_ -= blocks_;
  switch (ending) {
    case Ending::finished: ++report.finished_; break;
    case Ending::cancelled: ++report.cancelled_; break;
    case Ending::failed: ++report.failed_; break;
    case Ending::refused: ++report.refused_; break;
  }
}

void Report::add(Violation violation) {
  constexpr std::size_t max = 1000;  // enough to find the mistake, and few enough for a readable report
  if (violations_.size() < max) violations_.push_back(std::move(violation));
}

nlohmann::json Report::json(std::size_t unclaimed) const {
  auto violations = nlohmann::json::array();
  for (const auto& [rule, detail] : violations_) violations.push_back({{"rule", rule}, {"detail", detail}});
  return {
      {"requests", requests_}, {"running", running_}, {"finished", finished_},  {"cancelled", cancelled_},
      {"failed", failed_},     {"refused", refused_}, {"unclaimed", unclaimed}, {"violations", std::move(violations)}};
}

std::string Report::metrics(std::size_t unclaimed_blocks) const {
  const double usage = std::min(1.0, static_cast<double>(blocks_ + unclaimed_blocks) / gpu_blocks);
  return fmt::format(
      "# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 0\n"
      "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running {}\n"
      "# TYPE vllm:kv_cache_usage_perc gauge\nvllm:kv_cache_usage_perc {:.6f}\n"
      "# TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{{block_size=\"{}\",num_gpu_blocks=\"{}\"}} 1\n",
      running_, usage, block_size, gpu_blocks);
}

}  // namespace emulated
