// SPDX-License-Identifier: Apache-2.0
// Tutorial, step 3: a cost of your own.
#include <iostream>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

struct Engine {
  std::string id;
  double tokens_per_second;
};

/// A cost: seconds until the candidate has computed what it has queued and this prompt.
struct PromptSeconds {
  static constexpr std::string_view name = "prompt_seconds";
  using Load = pdroute::Tokens;  // the load metric that this cost reads

  double operator()(const auto& candidate, const pdroute::Request& request) const {
    const auto tokens = candidate.tokens() + request.prompt_tokens;
    return static_cast<double>(tokens) / candidate.endpoint().tokens_per_second;
  }
};

using Prefill = pdroute::LowestCostPolicy<PromptSeconds>;
using Router = pdroute::DisaggregatedRouter<Prefill, pdroute::LeastRequestPolicy, Engine>;

int main() {
  const std::vector<Engine> prefill{{"slow", 10'000}, {"fast", 25'000}};
  const std::vector<Engine> decode{{"d0", 0}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();

  std::vector<Router::Route> running;
  for (int i = 0; i < 4; ++i) {
    running.push_back(dispatcher.route({.prompt_tokens = 10'000}).value());
    std::cout << running.back().prefill.id() << '\n';
  }
}
