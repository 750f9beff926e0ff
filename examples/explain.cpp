// SPDX-License-Identifier: Apache-2.0
// Explains a choice: as text, and as JSON for a debug page of the gateway.
#include <fmt/core.h>

#include <pdroute/adapt/fmt.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

struct Engine {
  std::string id;
  pdroute::Capacity capacity = {};
};

// The fields of one level, as a JSON object without its closing brace. A JSON library does the same in fewer lines, and
// also escapes the ids.
std::string fields(const auto& level) {
  std::string json = "{";
  level.each_field([&](std::string_view name, auto value) {
    constexpr bool is_text = std::is_same_v<decltype(value), std::string_view>;
    json += fmt::format(is_text ? "\"{}\":\"{}\"," : "\"{}\":{},", name, value);
  });
  json.pop_back();
  return json;
}
std::string list(const auto& levels, const auto& to_json) {
  std::string json = "[";
  for (const auto& level : levels) json += to_json(level) + ",";
  if (json.back() == ',') json.pop_back();
  return json + "]";
}
std::string json_of(const auto& role) {
  return fields(role) + ",\"endpoints\":" +
         list(role.endpoints,
              [](const auto& endpoint) {
                return fields(endpoint) +
                       ",\"costs\":" + list(endpoint.costs, [](const auto& cost) { return fields(cost) + "}"; }) + "}";
              }) +
         "}";
}

int main() {
  const std::vector<Engine> prefill{{"p0"}, {"p1"}, {"p2"}};
  const std::vector<Engine> decode{{"d0"}, {"d1", {.requests = 1}}, {"d2"}};
  using Decode = pdroute::LowestCostPolicy<pdroute::Lexicographic<pdroute::InFlight, pdroute::HeldKvTokens>>;
  using Router = pdroute::DisaggregatedRouter<pdroute::LeastTokensPolicy, Decode, Engine>;
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();
  const auto long_one = dispatcher.route({.prompt_tokens = 812});
  const auto short_one = dispatcher.route({.prompt_tokens = 40});
  router.set_health("p2", pdroute::Health::unhealthy);

  const auto explanation = dispatcher.explain({.prompt_tokens = 100});
  fmt::print("{}\n", explanation);
  const auto route = dispatcher.route({.prompt_tokens = 100});  // does as explained
  fmt::print("{}\n", *route);

  const auto in_d1 = [](const Engine& engine) { return engine.id == "d1"; };
  fmt::print("{}\n", dispatcher.explain({}, {.decode = {.accept = in_d1}}).decode);
  fmt::print("{}\n", json_of(explanation.prefill));
}
