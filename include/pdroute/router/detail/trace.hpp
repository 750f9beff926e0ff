// SPDX-License-Identifier: Apache-2.0
// Trace: what a policy says of its choice, kept for an explanation.
#pragma once

#include <cstddef>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/router/explanation.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What a dry run has found for one leg. Lists go by the places of the eligible endpoints.
struct Evaluation {
  std::vector<Reason> ruled_out;                                // null for an endpoint that the policy was asked about
  std::vector<std::vector<NamedCost>> costs;                    // as the policy told them last
  std::vector<std::pair<std::size_t, ExceededLimit>> exceeded;  // of those without room, in the order of their places
  std::string why;                                              // why the chosen endpoint, or why there is none
  std::optional<std::size_t> chosen;                            // the place of the chosen endpoint
};

/// What a policy writes to in its `explain`.
class Trace {
 public:
  /// `places`: where the candidates that the policy is asked about stand in `evaluation`.
  Trace(Evaluation& evaluation, const std::vector<std::size_t>& places) : evaluation_(&evaluation), places_(&places) {}

  /// Adds a cost of the candidate at this index. An index out of range is ignored.
  void cost(std::size_t candidate, std::string_view name, double value) {
    if (candidate < places_->size())
      evaluation_->costs[(*places_)[candidate]].push_back({.name = std::string(name), .value = value});
  }
  /// Says why the chosen endpoint is chosen.
  void reason(std::string_view text) { evaluation_->why = text; }

 private:
  Evaluation* evaluation_;
  const std::vector<std::size_t>* places_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
