// SPDX-License-Identifier: Apache-2.0
// A policy of your own is a plain struct with one function.
#include <fmt/core.h>

#include <cstddef>
#include <optional>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <vector>

struct Engine {
  std::string id;
};

struct ShortestQueue {
  auto select(const pdroute::CandidateRange auto& candidates, const auto& /*request*/, auto& /*context*/) const
      -> std::optional<std::size_t> {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (!best || candidates[i].in_flight() < candidates[*best].in_flight()) best = i;
    }
    return best;
  }
};

int main() {
  const std::vector<Engine> prefill{{"p0"}, {"p1"}};
  const std::vector<Engine> decode{{"d0"}, {"d1"}, {"d2"}};
  using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, ShortestQueue, Engine>;
  auto router = Router::create({.prefill = prefill, .decode = decode, .prefill_policy = {.seed = 1}}).value();
  auto dispatcher = router.dispatcher();

  const auto first = dispatcher.route();
  auto second = dispatcher.route();
  fmt::print("first {}, second {}\n", first->decode, second->decode);
  second->decode.complete();
  const auto third = dispatcher.route();
  fmt::print("d1 is free again, so third {}\n", third->decode);
}
