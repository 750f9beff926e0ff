// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/explanation.hpp>

#include <cstdint>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/chosen.hpp"
#include "router/support.hpp"

namespace {

using pdroute::Role;

/// Stands for a JSON library: takes names and values of plain types, and escapes text.
class Json {
 public:
  void operator()(std::string_view name, std::string_view value) { add(name, quoted(value)); }
  void operator()(std::string_view name, bool value) { add(name, value ? "true" : "false"); }
  void operator()(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }
  void operator()(std::string_view name, std::int64_t value) { add(name, std::to_string(value)); }
  void operator()(std::string_view name, double value) { add(name, std::to_string(value)); }

  [[nodiscard]] std::string text() const { return "{" + text_ + "}"; }

 private:
  static std::string quoted(std::string_view value) {
    std::string quoted = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    return quoted + '"';
  }
  void add(std::string_view name, const std::string& value) {
    if (!text_.empty()) text_ += ',';
    text_ += quoted(name) + ':' + value;
  }
  std::string text_;
};

std::string json(const auto& level) {
  Json json;
  level.each_field(json);
  return json.text();
}

}  // namespace

TEST_CASE("explanation: a visitor gets every field of each level, as a plain type") {
  const Nodes decode{{"d\"0\\", 'a', {}}, {"d1", 'a', {.requests = 1}}};
  using Router = pdroute::DisaggregatedRouter<pdroute::LeastTokensPolicy, pdroute::LeastRequestPolicy, Node>;
  auto router = Router::create({.prefill = nodes("p", 1), .decode = decode}).value();
  const auto lease = router.prefill({.prompt_tokens = 5}).value();
  const auto in_d1 = [](const Node& node) { return node.id == "d1"; };
  const auto filled = router.decode({}, {.accept = in_d1}).value();
  const auto explanation = router.explain();
  CHECK(json(explanation) == R"({"refused":false,"overloaded":false})");
  CHECK(json(explanation.prefill) == R"({"role":"prefill","why":"the only one left"})");
  CHECK(json(explanation.prefill.endpoints[0]) ==
        R"({"id":"p0","incarnation":1,"in_flight":1,"ruled_out":"","spared":"","chosen":true})");
  CHECK(json(explanation.prefill.endpoints[0].costs.at(0)) == R"({"name":"tokens","value":5.000000})");
  CHECK(json(explanation.decode.endpoints[0]) ==
        R"({"id":"d\"0\\","incarnation":1,"in_flight":0,"ruled_out":"","spared":"","chosen":true})");
  CHECK(json(explanation.decode.endpoints[1]) ==
        R"({"id":"d1","incarnation":2,"in_flight":1,"ruled_out":"full","spared":"","chosen":false})");
  const auto filled_too = router.decode().value();
  REQUIRE_FALSE(router.set_capacity(Role::decode, filled_too.id(), {.requests = 1}));
  CHECK(json(router.explain()) == R"({"refused":true,"overloaded":true})");
  CHECK(json(router.explain().decode) == R"({"role":"decode","why":"none: 2 full of 2"})");
  router.set_health("p0", pdroute::Health::unhealthy);
  CHECK(json(router.explain()) == R"({"refused":true,"overloaded":false})");
}

TEMPLATE_TEST_CASE("explanation: a visitor gets integer ids as numbers", "", std::uint16_t, std::int32_t) {
  struct Numbered {
    TestType id;
  };
  using Router = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, pdroute::RandomPolicy<>, Numbered>;
  const TestType id = std::is_signed_v<TestType> ? static_cast<TestType>(-7) : static_cast<TestType>(7);
  const std::vector<Numbered> list{{id}};
  auto router = Router::create({.prefill = list, .decode = list}).value();
  CHECK(json(router.explain().decode.endpoints[0]) ==
        "{\"id\":" + std::to_string(id) +
            R"(,"incarnation":1,"in_flight":0,"ruled_out":"","spared":"","chosen":true})");
}

TEST_CASE("explanation: it owns its data and outlives the router and its endpoints") {
  using Router = pdroute::DisaggregatedRouter<pdroute::LeastTokensPolicy, pdroute::LeastRequestPolicy, Node>;
  const std::string prefix = "an id that is too long to be kept within the string itself ";
  auto explanation = [&] {
    auto router = Router::create({.prefill = nodes(prefix, 2), .decode = nodes("d", 2)}).value();
    return router.explain();
  }();
  const auto copy = explanation;
  explanation = {};
  CHECK(chosen(copy.prefill).id == prefix + "0");
  CHECK(copy.prefill.chosen() == copy.prefill.endpoints.data());
  CHECK(copy.prefill.endpoints[1].costs.at(0).name == "tokens");
  CHECK(explanation.prefill.chosen() == nullptr);
  CHECK(explanation.decode.role == Role::decode);
}
