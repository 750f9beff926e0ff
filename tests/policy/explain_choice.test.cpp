// SPDX-License-Identifier: Apache-2.0
// What authors of policies may say of their choices, and what is said for those that say nothing.
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

/// The minimum.
struct Last {
  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const {
    return candidates.size() - 1;
  }
};
struct LastOnPurpose : Last {
  static constexpr std::string_view reason = "the last of the list";
};
/// Says all it knows, and draws as its `select` does.
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
    trace.cost(n, "of nobody", 1);  // is ignored
    trace.reason("drew " + std::to_string(drawn) + " in choice " + std::to_string(context.state().asked));
  }
};

template <class Policy>
auto router_of(std::size_t n) {
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Engine>;
  return Router::create({.prefill = engines("p", n), .decode = engines("d", n)}).value();
}

}  // namespace

TEST_CASE("explain: a policy of one's own needs to say nothing") {
  const auto decode = router_of<Last>(3).explain().decode;
  CHECK(decode.chosen()->id == "d2");
  CHECK(decode.why == "the policy's choice");
  for (const auto& endpoint : decode.endpoints) CHECK(endpoint.costs.empty());
}

TEST_CASE("explain: a policy of one's own may give its reason in a line") {
  CHECK(router_of<LastOnPurpose>(3).explain().decode.why == "the last of the list");
}

TEST_CASE("explain: a policy of one's own may tell more; it sees what its select will see, and changes nothing") {
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

TEST_CASE("explain: within OneOf, what the held policy says") {
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

TEST_CASE("explain: a state that cannot be copied does not stop a router that never explains") {
  struct Unique : Last {
    [[nodiscard]] std::unique_ptr<int> make_state(std::uint64_t /*stream*/) const { return std::make_unique<int>(1); }
  };
  CHECK(router_of<Unique>(2).route()->decode.id() == "d1");
}
