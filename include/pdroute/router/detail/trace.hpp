// SPDX-License-Identifier: Apache-2.0
// What a policy says of its choice, written down for an explanation.
#pragma once

#include <cstddef>
#include <optional>
#include <pdroute/no_endpoint.hpp>
#include <pdroute/router/explanation.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace pdroute {
inline namespace v0 {
namespace detail {

/// What came of asking for an endpoint. Lists go by the places of the eligible.
struct Evaluation {
  std::vector<Reason> ruled_out;
  std::vector<std::vector<NamedCost>> costs;
  std::string why;
  std::optional<std::size_t> chosen;
};

/// What a policy speaks to in its `explain`.
class Trace {
 public:
  /// `places`: where in `evaluation` the candidates stand that the policy is asked about.
  Trace(Evaluation& evaluation, const std::vector<std::size_t>& places) : evaluation_(&evaluation), places_(&places) {}

  /// Says what the `candidate`-th candidate costs.
  void cost(std::size_t candidate, std::string_view name, double value) {
    if (candidate < places_->size())
      evaluation_->costs[(*places_)[candidate]].push_back({.name = std::string(name), .value = value});
  }
  /// Says why the one that is chosen is chosen.
  void reason(std::string_view text) { evaluation_->why = text; }

 private:
  Evaluation* evaluation_;
  const std::vector<std::size_t>* places_;
};

}  // namespace detail
}  // namespace v0
}  // namespace pdroute
