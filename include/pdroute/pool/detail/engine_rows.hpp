// SPDX-License-Identifier: Apache-2.0
// EngineRows: how many requests have failed in a row on each engine, over all of its endpoints.
#pragma once

#include <cstdint>
#include <pdroute/pool/detail/outlier_state.hpp>
#include <unordered_map>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// The rows of failures of engines that have several endpoints: the ranks of one instance, or one engine in both roles.
/// It is made anew for each step of time, from all members that do not drain, before any of them is judged: first
/// `watch` for each endpoint that has failed, then `add` for each endpoint. An engine of which nothing has failed costs
/// no memory.
///
/// The rows of an engine's endpoints add up as long as no endpoint of the engine completes a request. When one has,
/// failures of before no longer count for the engine. An endpoint's own row goes on as ever.
/// Complexity: O(members) to make, O(1) on average to ask. Memory: O(engines of which an endpoint has failed).
class EngineRows {
 public:
  struct Row {
    std::uint32_t endpoints = 0;
    std::uint64_t failures = 0;  ///< in a row, over all endpoints
    bool completed = false;      ///< since failures were last counted anew, a request has completed
  };

  /// An endpoint of the engine has failed lately, or is out.
  void watch(std::uint64_t engine) { rows_.try_emplace(engine); }
  /// Whether any engine is watched.
  [[nodiscard]] bool any() const noexcept { return !rows_.empty(); }
  [[nodiscard]] bool watches(std::uint64_t engine) const { return rows_.contains(engine); }
  /// Adds an endpoint of a watched engine: its own row of failures, and how many requests have completed on it.
  void add(std::uint64_t engine, const OutlierState& state, std::uint64_t row, std::uint64_t completed) {
    Row& sum = rows_.at(engine);
    ++sum.endpoints;
    sum.failures += row > state.row_before ? row - state.row_before : 0;
    sum.completed = sum.completed || completed > state.completed_before;
  }
  /// The row of an engine; null if it has one endpoint or is not watched.
  [[nodiscard]] const Row* of(std::uint64_t engine) const {
    const auto found = rows_.find(engine);
    return found == rows_.end() || found->second.endpoints < 2 ? nullptr : &found->second;
  }

 private:
  std::unordered_map<std::uint64_t, Row> rows_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
