// SPDX-License-Identifier: Apache-2.0
// Tutorial, step 6: ask why.
#include <cstddef>
#include <iostream>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

struct Engine {
  std::string id;
  double tokens_per_second = 10'000;
  pdroute::Capacity capacity = {};
};

/// The cost of step 3.
struct PromptSeconds {
  static constexpr std::string_view name = "prompt_seconds";
  using Load = pdroute::Tokens;

  double operator()(const auto& candidate, const pdroute::Request& request) const {
    const auto tokens = candidate.tokens() + request.prompt_tokens;
    return static_cast<double>(tokens) / candidate.endpoint().tokens_per_second;
  }
};

/// A policy that says for itself what candidates cost it and why it takes the one that it takes.
struct MostFree {
  auto select(const pdroute::CandidateRange auto& candidates, const auto& /*request*/, auto& /*context*/) const
      -> std::optional<std::size_t> {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (!best || candidates[i].in_flight() < candidates[*best].in_flight()) best = i;
    }
    return best;
  }
  void explain(const auto& candidates, const auto& /*request*/, auto& /*context*/, auto& trace) const {
    for (std::size_t i = 0; i < candidates.size(); ++i) trace.cost(i, "busy", candidates[i].in_flight());
    trace.reason("the least busy");
  }
};

using Router = pdroute::DisaggregatedRouter<pdroute::LowestCostPolicy<PromptSeconds>, MostFree, Engine>;

int main() {
  const std::vector<Engine> prefill{{"slow", 10'000}, {"fast", 25'000}, {"ill", 25'000}};
  const std::vector<Engine> decode{{.id = "d0", .capacity = {.requests = 1}}, {.id = "d1"}};
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();
  router.set_health("ill", pdroute::Health::unhealthy);
  const auto running = dispatcher.route({.prompt_tokens = 10'000}).value();

  const auto explanation = dispatcher.explain({.prompt_tokens = 10'000});
  std::cout << explanation.text() << '\n';
  for (const auto& endpoint : explanation.prefill.endpoints) {
    for (const auto& cost : endpoint.costs) std::cout << endpoint.id << ' ' << cost.name << ' ' << cost.value << '\n';
  }
  std::cout << "and so it is: " << dispatcher.route({.prompt_tokens = 10'000}).value().prefill.id() << '\n';

  router.drain(pdroute::Role::decode, "d1");
  const auto refused = dispatcher.explain({.prompt_tokens = 10'000});
  std::cout << refused.refusal->text() << '\n';  // what route would return instead of leases
}
