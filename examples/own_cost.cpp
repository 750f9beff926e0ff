// SPDX-License-Identifier: Apache-2.0
// A cost of your own: a function of an endpoint and a request.
#include <pdroute/pdroute.hpp>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

struct Engine {
  std::string id;
  double price;  // of a token
};

/// What the prompt costs there: its tokens at the engine's price, dearer the busier the engine is.
struct Price {
  static constexpr std::string_view name = "price";
  double busy = 0.1;

  double operator()(const auto& candidate, const pdroute::Request& request) const {
    const double tokens = candidate.endpoint().price * static_cast<double>(request.prompt_tokens);
    return tokens * (1 + busy * candidate.in_flight());
  }
};

int main() {
  const std::vector<Engine> prefill{{"p0", 1}, {"p1", 2}};
  const std::vector<Engine> decode{{"d0", 1}};
  using Router = pdroute::DisaggregatedRouter<pdroute::LowestCostPolicy<Price>, pdroute::RandomPolicy<>, Engine>;
  auto router =
      Router::create({.prefill = prefill, .decode = decode, .prefill_policy = {.cost = {.busy = 0.75}}}).value();
  auto dispatcher = router.dispatcher();
  const auto first = dispatcher.route({.prompt_tokens = 100}).value();
  const auto second = dispatcher.route({.prompt_tokens = 100}).value();
  std::printf("%s\n", dispatcher.explain({.prompt_tokens = 100}).prefill.text().c_str());
}
