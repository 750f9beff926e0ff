// SPDX-License-Identifier: Apache-2.0
// EngineSums and EngineTable: what the leases of all endpoints of one engine hold together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <pdroute/capacity.hpp>
#include <pdroute/load/detail/capped_sum.hpp>
#include <unordered_map>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The sums over one engine, and its limits.
/// Thread safety: all members may be called from many threads at once; lock-free.
struct alignas(64) EngineSums {
  CappedSum requests;
  CappedSum tokens;
  CappedSum kv_tokens;

  void set_limits(const Capacity& capacity) noexcept {
    requests.set_limit(capacity.requests);
    tokens.set_limit(capacity.tokens);
    kv_tokens.set_limit(capacity.kv_tokens);
  }
  [[nodiscard]] Capacity limits() const noexcept {
    Capacity capacity{.tokens = tokens.limit(), .kv_tokens = kv_tokens.limit()};
    if (const auto limit = requests.limit()) capacity.requests = static_cast<std::uint32_t>(*limit);
    return capacity;
  }
};

/// The sums of each engine, for the pools of one router. The endpoints of an engine own its sums.
/// Thread safety: `of` may be called from many threads at once; they wait for each other.
class EngineTable {
 public:
  /// The sums of the engine with this hash; new ones if no endpoint of it is left. O(1) on average.
  [[nodiscard]] std::shared_ptr<EngineSums> of(std::uint64_t engine) {
    const std::lock_guard lock{mutex_};
    std::weak_ptr<EngineSums>& known = engines_[engine];
    if (auto sums = known.lock()) return sums;
    auto sums = std::make_shared<EngineSums>();
    known = sums;
    if (engines_.size() > most_) {
      std::erase_if(engines_, [](const auto& each) { return each.second.expired(); });
      most_ = std::max(least_most, 2 * engines_.size());
    }
    return sums;
  }

 private:
  static constexpr std::size_t least_most = 64;  // entries before those of engines that have gone are dropped

  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::weak_ptr<EngineSums>> engines_;
  std::size_t most_ = least_most;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
