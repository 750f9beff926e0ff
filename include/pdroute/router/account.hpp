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

namespace pdroute::inline v0::detail {

/// What came of asking for an endpoint. Lists go by the places of the eligible.
struct Findings {
  std::vector<Reason> ruled_out;
  std::vector<std::vector<NamedCost>> costs;
  std::string why;
  std::optional<std::size_t> chosen;
};

/// What a policy speaks to in its `explain`.
class Account {
 public:
  /// `places`: where in `findings` the candidates stand that the policy is asked about.
  Account(Findings& findings, const std::vector<std::size_t>& places) : findings_(&findings), places_(&places) {}

  /// Says what the `candidate`-th candidate costs.
  void cost(std::size_t candidate, std::string_view name, double value) {
    if (candidate < places_->size())
      findings_->costs[(*places_)[candidate]].push_back({.name = std::string(name), .value = value});
  }
  /// Says why the one that is chosen is chosen.
  void reason(std::string_view text) { findings_->why = text; }

 private:
  Findings* findings_;
  const std::vector<std::size_t>* places_;
};

}  // namespace pdroute::inline v0::detail
