// SPDX-License-Identifier: Apache-2.0
// Explanations of choices: what the author of a policy may provide, and the default for a policy without any.
#include <pdroute/policy/detail/explain_choice.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

/// The minimum: a policy with `select` only.
struct Last {
  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const {
    return candidates.size() - 1;
  }
};
struct LastOnPurpose : Last {
  static constexpr std::string_view reason = "the last of the list";
};
/// Explains its choice with costs and a reason, and draws the same number as its `select`.
struct Drawn {
  struct State {
    std::uint32_t asked = 0;
  };
  [[nodiscard]] State make_state(std::uint64_t /*stream*/) const { return {}; }
  static std::size_t chosen(std::size_t n, const auto& request, auto& context) {
    return (context.below(1000) + request.prompt_tokens + ++context.state().asked) % n;
  }
  std::optional<std::size_t> select(const auto& candidates, const auto& request, auto& context) const {
    return chosen(candidates.size(), request, context);
  }
  void explain(const auto& candidates, const auto& request, auto& context, auto& trace) const {
    const std::size_t n = candidates.size();
    const std::size_t drawn = chosen(n, request, context);
    for (std::size_t i = 0; i < n; ++i) {
      trace.cost(i, "distance", static_cast<double>((i + n - drawn) % n));
      trace.cost(i, "in flight", candidates[i].in_flight());
    }
    trace.cost(n, "of no candidate", 1);  // an index out of range is ignored
    trace.reason("drew " + std::to_string(drawn) + " in choice " + std::to_string(context.state().asked));
  }
};

template <class Policy>
auto router_of(std::size_t n) {
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Engine>;
  return Router::create({.prefill = engines("p", n), .decode = engines("d", n)}).value();
}

}  // namespace

TEST_CASE("explain: a user's policy without any explanation gets the default reason") {
  const auto decode = router_of<Last>(3).explain().decode;
  CHECK(decode.chosen()->id == "d2");
  CHECK(decode.why == "the policy's choice");
  for (const auto& endpoint : decode.endpoints) CHECK(endpoint.costs.empty());
}

TEST_CASE("explain: a user's policy with a reason constant gets that reason") {
  CHECK(router_of<LastOnPurpose>(3).explain().decode.why == "the last of the list");
}

TEST_CASE("explain: a user's explain sees what its next select will see, and changes nothing") {
  auto router = router_of<Drawn>(5);
  auto dispatcher = router.dispatcher();
  for (std::uint64_t i = 1; i <= 100; ++i) {
    const pdroute::Request request{.prompt_tokens = i % 7};
    static_cast<void>(dispatcher.explain(request));
    const auto explanation = dispatcher.explain(request);
    const auto route = dispatcher.route(request).value();
    for (const auto* role : {&explanation.prefill, &explanation.decode}) {
      const auto& id = role->chosen()->id;
      CHECK(role->why == "drew " + id.substr(1) + " in choice " + std::to_string(i));
      CHECK(id == (role == &explanation.prefill ? route.prefill.id() : route.decode.id()));
      for (const auto& endpoint : role->endpoints) {
        REQUIRE(endpoint.costs.size() == 2);
        CHECK(endpoint.costs[0].name == "distance");
        CHECK((endpoint.costs[0].value == 0) == endpoint.chosen);
        CHECK(endpoint.costs[1].value == endpoint.in_flight);
      }
    }
  }
}

TEST_CASE("explain: AnyPolicy explains as the policy that it holds") {
  using Any = pdroute::AnyPolicy<Last, LastOnPurpose, Drawn>;
  using Router = pdroute::DisaggregatedRouter<Any, Any, Engine>;
  auto router = Router::create({.prefill = engines("p", 2),
                                .decode = engines("d", 2),
                                .prefill_policy = {LastOnPurpose{}},
                                .decode_policy = {Drawn{}}})
                    .value();
  const auto explanation = router.explain();
  CHECK(explanation.prefill.why == "the last of the list");
  CHECK(explanation.decode.why ==
        std::string("drew ") + (explanation.decode.endpoints[0].chosen ? "0" : "1") + " in choice 1");
  CHECK(router_of<Any>(2).explain().decode.why == "the policy's choice");
}

TEST_CASE("explain: a policy state that cannot be copied compiles in a router that never explains") {
  struct Unique : Last {
    [[nodiscard]] std::unique_ptr<int> make_state(std::uint64_t /*stream*/) const { return std::make_unique<int>(1); }
  };
  CHECK(router_of<Unique>(2).route()->decode.id() == "d1");
}
