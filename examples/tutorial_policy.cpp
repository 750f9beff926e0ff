// SPDX-License-Identifier: Apache-2.0
// Tutorial, step 4: a policy of your own.
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct Engine {
  std::string id;
};

/// Fills one endpoint before it takes the next, so that the last ones stay idle and can be switched off.
struct FillFirst {
  static constexpr std::string_view reason = "the first below its target";
  std::uint32_t target = 8;  ///< requests in flight

  auto select(const pdroute::CandidateRange auto& candidates, const auto& /*request*/, auto& /*context*/) const
      -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (candidates[i].in_flight() < target) return i;
    }
    return std::nullopt;  // wants none of them
  }
};

using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, FillFirst, Engine>;

int main() {
  const std::vector<Engine> prefill{{"p0"}};
  const std::vector<Engine> decode{{"d0"}, {"d1"}};
  auto router = Router::create({.prefill = prefill, .decode = decode, .decode_policy = {.target = 2}}).value();
  auto dispatcher = router.dispatcher();

  std::vector<Router::Route> running;
  while (auto route = dispatcher.route()) {
    std::cout << route->decode.id() << '\n';
    running.push_back(*std::move(route));
  }
  std::cout << dispatcher.route().error().text() << '\n';
}
