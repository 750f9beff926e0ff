// SPDX-License-Identifier: Apache-2.0
// Random worlds in which each route is explained first. The route must do what was explained. A twin world without
// explanations must make the same choices.
#include <pdroute/router/detail/dry_run.hpp>

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/adapt/fmt.hpp>
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
using pdroute::Rotation;
using pdroute::RoundRobinPolicy;
using pdroute::TieRule;

/// Declines now and then or returns an index out of range, and gives no reasons.
struct Fickle {
  [[nodiscard]] int make_state(std::uint64_t /*stream*/) const { return 0; }
  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& context) const {
    const std::uint32_t draw = context.below(static_cast<std::uint32_t>(candidates.size()) + 2);
    return ++context.state() % 5 == 0 ? std::nullopt : std::optional<std::size_t>{draw};  // may be out of range
  }
};

using Any = pdroute::AnyPolicy<pdroute::RandomPolicy<>, pdroute::PowerOfTwoChoicesPolicy<>, RoundRobinPolicy<>>;
struct AnyTwoChoices : Any {
  AnyTwoChoices() : Any{pdroute::PowerOfTwoChoicesPolicy<>{}} {}
};
using Sum = pdroute::WeightedSum<pdroute::InFlight, pdroute::HeldKvTokens>;
struct BySum : pdroute::LowestCostPolicy<Sum> {
  BySum() : pdroute::LowestCostPolicy<Sum>{Sum{{}, {1, 0.01}}} {}
};

/// Session affinity over a table of its own; the world binds sessions.
struct Sticky : pdroute::SessionAffinityPolicy<RoundRobinPolicy<Rotation::per_dispatcher>> {
  std::shared_ptr<pdroute::SessionTable> table =
      std::make_shared<pdroute::SessionTable>(pdroute::SessionTable::Options{.max_bindings = 64, .seed = 1});
  Sticky() { sessions = table; }
};

struct FilterParts {
  std::vector<pdroute::FailedEndpoint> exclude;
  std::vector<std::string_view> allowed;
  bool has_allowed = false;
  bool has_accept = false;
};

/// A router that a sequence of random numbers changes and routes through.
template <class Policy>
class World {
 public:
  using Router = pdroute::DisaggregatedRouter<Policy, Policy, Node, pdroute::ManualClock>;

  World(std::uint64_t seed, Role first)
      : draws_(seed),
        prefill_(nodes("p", 4)),
        decode_(nodes("d", 5)),
        router_(make(first)),
        dispatcher_(router_.dispatcher()),
        held_(12) {}

  /// Changes something and then routes. Returns the chosen endpoints or the reason why there are none.
  template <class BeforeRoute>
  std::string step(const BeforeRoute& before) {
    change();
    pdroute::Request request{.prompt_tokens = 1 + below(40)};
    if constexpr (std::is_same_v<Policy, Sticky>) request.key = pdroute::key(std::uint64_t{below(6)});
    const bool filtered = below(2) == 0;
    const FilterParts prefill = filter_parts(Role::prefill);
    const FilterParts decode = filter_parts(Role::decode);
    const bool has_compatible = below(2) == 0;
    const std::uint32_t strictness = below(5);
    const auto accept = [&](const Node& node) { return node.group != 'b'; };
    const auto fit = [&](const Node& p, const Node& d) {
      return strictness == 0 ? p.group == 'c' && d.group == 'c' : strictness == 1 || p.group == d.group;
    };
    const bool has_group = below(3) == 0;
    const bool excludes_in_both = below(4) == 0;
    const auto group = [](const Node& node) { return node.group; };
    typename Router::RouteFilter filter;
    if (filtered) {
      if (has_group) filter.group = group;
      if (excludes_in_both) filter.exclude = decode.exclude;
      apply(prefill, filter.prefill, accept);
      apply(decode, filter.decode, accept);
      if (has_compatible) filter.compatible = fit;
    }
    before(request, filter);
    auto route = dispatcher_.route(request, filter);
    last_refusal = route ? std::nullopt : std::optional{route.error()};
    const std::string answer = names(route);
    if constexpr (std::is_same_v<Policy, Sticky>) {
      if (route) {
        prefill_policy_.table->bind(*request.key, route->prefill, clock_.now());
        decode_policy_.table->bind(*request.key, route->decode, clock_.now());
      }
    }
    if (route) held_[below(static_cast<std::uint32_t>(held_.size()))] = std::move(*route);
    return answer;
  }

  /// The router's observable state, as text.
  [[nodiscard]] std::string state() const {
    std::string text;
    for (const Role role : {Role::prefill, Role::decode}) {
      for (const auto& endpoint : router_.endpoints(role)) text += fmt::format("{} {}\n", endpoint, endpoint.outcomes);
      text += fmt::format("{}\n", router_.refusals(role));
    }
    return text;
  }

  [[nodiscard]] const auto& dispatcher() const { return dispatcher_; }

  std::optional<pdroute::NoEndpoint> last_refusal;

 private:
  Router make(Role first) {
    for (std::size_t i = 0; i < prefill_.size(); ++i) prefill_[i].group = static_cast<char>('a' + i % 3);
    for (std::size_t i = 0; i < decode_.size(); ++i) decode_[i].group = static_cast<char>('a' + i % 3);
    return Router::create({.prefill = prefill_,
                           .decode = decode_,
                           .prefill_policy = prefill_policy_,
                           .decode_policy = decode_policy_,
                           .clock = clock_,
                           .seed = 7,
                           .first = first})
        .value();
  }
  std::uint32_t below(std::uint32_t bound) { return pdroute::below(draws_, bound); }

  void change() {
    clock_.advance(std::chrono::milliseconds{below(5000)});
    const Role role = below(2) == 0 ? Role::prefill : Role::decode;
    const std::string id = (role == Role::prefill ? "p" : "d") + std::to_string(below(5));
    switch (below(9)) {
      case 0: router_.set_health(id, below(3) == 0 ? pdroute::Health::unhealthy : pdroute::Health::healthy); break;
      case 1: {
        constexpr std::array intakes{pdroute::Intake::paused, pdroute::Intake::bound_only, pdroute::Intake::accepting,
                                     pdroute::Intake::accepting};
        router_.set_intake(role, id, intakes[below(4)]);
        break;
      }
      case 2:
        if (below(4) == 0) router_.drain(role, id);
        break;
      case 3: static_cast<void>(router_.set_capacity(role, id, {.requests = 1 + below(3)})); break;
      case 4: static_cast<void>(router_.set_capacity(role, id, {})); break;
      case 5:
        static_cast<void>(router_.assign(role, {}));
        if (below(3) > 0) static_cast<void>(router_.assign(role, role == Role::prefill ? prefill_ : decode_));
        break;
      case 6: static_cast<void>(router_.assign(role, role == Role::prefill ? prefill_ : decode_)); break;
      default: held_[below(static_cast<std::uint32_t>(held_.size()))].complete(); break;
    }
  }
  FilterParts filter_parts(Role role) {
    FilterParts parts;
    const auto kinds = {pdroute::FailureKind::bad_response, pdroute::FailureKind::overloaded};
    if (below(3) == 0) {
      for (const auto kind : kinds) {
        const auto members = router_.endpoints(role);
        if (members.empty()) continue;
        parts.exclude.push_back({{role, members[below(static_cast<std::uint32_t>(members.size()))].incarnation}, kind});
      }
    }
    parts.has_allowed = below(4) == 0;
    const Nodes& list = role == Role::prefill ? prefill_ : decode_;
    for (const Node& node : list) {
      if (below(2) == 0) parts.allowed.push_back(node.id);
    }
    parts.has_accept = below(3) == 0;
    return parts;
  }
  static void apply(const FilterParts& parts, pdroute::Filter<Node>& filter, const auto& accept) {
    filter.exclude = parts.exclude;
    if (parts.has_allowed) filter.allowed = parts.allowed;
    if (parts.has_accept) filter.accept = accept;
  }

  pdroute::SplitMix64 draws_;
  Policy prefill_policy_ = {};
  Policy decode_policy_ = {};
  Nodes prefill_;
  Nodes decode_;
  pdroute::ManualClock clock_;
  Router router_;
  typename Router::Dispatcher dispatcher_;
  std::vector<typename Router::Route> held_;
};

template <class Role>
std::uint32_t ruled_out_by(const Role& role, std::string_view reason) {
  std::uint32_t count = 0;
  for (const auto& endpoint : role.endpoints) count += endpoint.ruled_out == reason ? 1U : 0U;
  return count;
}

}  // namespace

TEMPLATE_TEST_CASE("a route does what was explained just before, and explaining changes nothing", "",
                   RoundRobinPolicy<>, RoundRobinPolicy<Rotation::per_dispatcher>, pdroute::RandomPolicy<>,
                   pdroute::QpsPolicy<TieRule::random>, pdroute::LeastTokensPolicy, pdroute::WeightedRoundRobinPolicy,
                   (pdroute::LowestCostPolicy<pdroute::QueuedTokens, 3>), BySum, AnyTwoChoices, Fickle, Sticky) {
  const Role first = GENERATE(Role::prefill, Role::decode);
  int routes = 0;
  int refusals = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    World<TestType> world(seed, first);
    World<TestType> twin(seed, first);
    for (int round = 0; round < 100; ++round) {
      std::optional<pdroute::Explanation<Node>> explanation;
      const std::string answer = world.step([&](const auto& request, const auto& filter) {
        const std::string before = world.state();
        explanation = world.dispatcher().explain(request, filter);
        const std::string again = fmt::format("{}", world.dispatcher().explain(request, filter));
        REQUIRE(fmt::format("{}", *explanation) == again);
        REQUIRE(world.state() == before);
      });
      INFO("seed " << seed << ", round " << round << ", " << answer << "\n" << fmt::format("{}", *explanation));
      REQUIRE(explanation->refusal == world.last_refusal);
      if (world.last_refusal) {
        ++refusals;
        REQUIRE(explanation->prefill.chosen() == nullptr);
        REQUIRE(explanation->decode.chosen() == nullptr);
        const auto& to_blame = world.last_refusal->role == Role::prefill ? explanation->prefill : explanation->decode;
        REQUIRE(to_blame.endpoints.size() == world.last_refusal->endpoints);
        world.last_refusal->each_reason([&](std::string_view reason, std::uint32_t count) {
          INFO(reason);
          REQUIRE(ruled_out_by(to_blame, reason) == count);
        });
      } else {
        ++routes;
        REQUIRE(explanation->prefill.chosen());
        REQUIRE(explanation->decode.chosen());
        REQUIRE(chosen(explanation->prefill).id + " " + chosen(explanation->decode).id == answer);
        REQUIRE(chosen(explanation->prefill).ruled_out.empty());
        REQUIRE(chosen(explanation->decode).ruled_out.empty());
      }
      REQUIRE(twin.step([](const auto&...) {}) == answer);
      REQUIRE(twin.state() == world.state());
    }
  }
  CHECK(routes > 250);
  CHECK(refusals > 300);
}
