// SPDX-License-Identifier: Apache-2.0
// The caller's code in the middle of a choice: metrics and clocks that throw, policies that change the endpoints.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::Demand;
using pdroute::NoEndpoint;
using pdroute::Outcomes;
using pdroute::RequestRate;
using pdroute::Role;
using pdroute::Tokens;
using TimePoint = pdroute::ManualClock::time_point;

struct Thrown {};
enum class Hook : std::uint8_t { none, try_hold, has_room, could_hold, begin, record };
Hook throwing = Hook::none;

void pass(Hook hook) {
  if (hook == throwing) throw Thrown{};
}

/// A metric of the caller's with every hook that choosing calls, each of which may throw. It has room for two leases.
struct Ledger {
  struct Options {};
  struct Held {};
  struct Receipt {};
  explicit Ledger(Options /*options*/) {}
  bool try_hold(const Demand& /*demand*/, Held& /*held*/) {
    pass(Hook::try_hold);
    return leases < 2 && ++leases > 0;
  }
  [[nodiscard]] bool has_room(const Demand& /*demand*/) const {
    pass(Hook::has_room);
    return leases < 2;
  }
  [[nodiscard]] static bool could_hold(const Demand& /*demand*/) {
    pass(Hook::could_hold);
    return true;
  }
  static void grow(Held& /*held*/, std::uint64_t /*tokens*/) {}
  void let_go(Held& /*held*/) { --leases; }
  static void set_capacity(const pdroute::Capacity& /*capacity*/) {}
  static void begin(Held& /*held*/, auto /*now*/) { pass(Hook::begin); }
  static void first_token(Held& /*held*/, auto /*now*/) {}
  static void complete(Held& /*held*/, auto /*now*/) {}
  Receipt record(auto /*now*/) {
    pass(Hook::record);
    ++recorded;
    return {};
  }
  void undo(Receipt /*receipt*/) { --recorded; }

  int leases = 0;
  int recorded = 0;
};
static_assert(pdroute::HoldsDemand<Ledger> && pdroute::CountsChoices<Ledger> && pdroute::TimesLeases<Ledger>);

struct First {
  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const {
    return candidates.size() == 0 ? std::nullopt : std::optional<std::size_t>{0};
  }
};

struct Alone : First {
  using Load = Ledger;
};
struct LastOfThree : First {
  using Load = pdroute::Loads<Tokens, RequestRate, Ledger>;
  [[nodiscard]] static Load::Options load_options() { return {{}, 60s, {}}; }
};

/// An endpoint that counts the copies of it that are alive.
struct Counted {
  std::string id;
  std::shared_ptr<int> copies;
};

/// Has no address-of and no comma operator.
struct NoOperators {
  std::string id;
  NoOperators* operator&() = delete;
  const NoOperators* operator&() const = delete;
  template <class Other>
  void operator,(Other&&) const = delete;
};

/// Throws while `broken` is true.
struct MoodyClock {
  using time_point = TimePoint;
  const bool* broken = nullptr;
  [[nodiscard]] time_point now() const {
    if (*broken) throw Thrown{};
    return time_point{1s};
  }
};
struct CountsArrivals : First {
  using Load = RequestRate;
  [[nodiscard]] static pdroute::RateWindow load_options() { return 60s; }
};

}  // namespace

TEMPLATE_TEST_CASE("a metric throws while an endpoint is chosen: nothing is reserved, held, recorded or kept", "",
                   Alone, LastOfThree) {
  throwing = Hook::none;
  const Role first = GENERATE(Role::prefill, Role::decode);
  const auto copies = std::make_shared<int>(0);
  const std::vector<Counted> list{{"e0", copies}};
  const long mine = copies.use_count();
  using Router = pdroute::DisaggregatedRouter<TestType, TestType, Counted, pdroute::ManualClock>;
  auto router = Router::create({.prefill = list, .decode = list, .first = first}).value();
  auto dispatcher = router.dispatcher();
  const auto any = [](const Counted&) { return true; };
  const auto any_pair = [](const Counted&, const Counted&) { return true; };
  const auto check_untouched = [&](std::uint32_t in_flight, const char* what) {
    throwing = Hook::none;
    INFO(what);
    for (const Role role : {Role::prefill, Role::decode}) {
      const auto status = router.endpoint(role, "e0").value();
      CHECK(status.in_flight == in_flight);
      CHECK(status.outcomes == Outcomes{});
      if (status.tokens) CHECK(*status.tokens == in_flight * 5);
      CHECK(router.refusals(role).requests == 0);
    }
  };
  const auto throws_without_trace = [&](Hook hook, std::uint32_t in_flight) {
    const auto try_it = [&](const char* what, const auto& call) {
      throwing = hook;
      CHECK_THROWS_AS(call(), Thrown);
      check_untouched(in_flight, what);
    };
    const pdroute::Request request{.prompt_tokens = 5};
    try_it("route", [&] { (void)dispatcher.route(request); });
    try_it("filtered route", [&] { (void)dispatcher.route(request, {.compatible = any_pair}); });
    try_it("prefill", [&] { (void)dispatcher.prefill(request); });
    try_it("filtered decode", [&] { (void)dispatcher.decode(request, {.accept = any}); });
    try_it("route by the router", [&] { (void)router.route(request); });
  };
  for (const Hook hook : {Hook::try_hold, Hook::begin, Hook::record}) throws_without_trace(hook, 0);
  std::optional one{dispatcher.route({.prompt_tokens = 5}).value()};
  std::optional two{dispatcher.route({.prompt_tokens = 5}).value()};  // now both are full
  for (const Hook hook : {Hook::has_room, Hook::could_hold}) throws_without_trace(hook, 2);
  one->complete(TimePoint{});
  two->complete(TimePoint{});
  CHECK(dispatcher.route({.prompt_tokens = 5}));

  // No reservation keeps a removed endpoint alive.
  one.reset();
  two.reset();
  REQUIRE(router.assign(Role::prefill, {}));
  REQUIRE(router.assign(Role::decode, {}));
  dispatcher.refresh();
  CHECK(copies.use_count() == mine);
}

TEST_CASE("the second of two metrics throws while it records: what the first one recorded is undone") {
  throwing = Hook::none;
  pdroute::Loads<RequestRate, Ledger> loads{{{60s}, {}}};
  throwing = Hook::record;
  CHECK_THROWS_AS(loads.record(TimePoint{5s}), Thrown);
  throwing = Hook::none;
  CHECK(loads.arrivals(pdroute::RateWindow{60s}.bucket(TimePoint{5s})) == 0);
  CHECK(loads.recorded == 0);
  static_cast<void>(loads.record(TimePoint{5s}));
  CHECK(loads.arrivals(pdroute::RateWindow{60s}.bucket(TimePoint{5s})) == 1);
  CHECK(loads.recorded == 1);
}

TEST_CASE("a clock that throws leaves no trace, not even a cancelled lease") {
  bool broken = false;
  using Router = pdroute::DisaggregatedRouter<CountsArrivals, CountsArrivals, Node, MoodyClock>;
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1), .clock = {&broken}}).value();
  auto dispatcher = router.dispatcher();
  const auto any = [](const Node&) { return true; };
  broken = true;
  CHECK_THROWS_AS(dispatcher.route(), Thrown);
  CHECK_THROWS_AS(dispatcher.decode(), Thrown);
  CHECK_THROWS_AS(dispatcher.decode({}, {.accept = any}), Thrown);
  broken = false;
  for (const Role role : {Role::prefill, Role::decode}) {
    CHECK(router.endpoints(role)[0].in_flight == 0);
    CHECK(router.endpoints(role)[0].outcomes == Outcomes{});
  }
  CHECK(dispatcher.route());
}

TEST_CASE("the only endpoint that passes the filter is replaced during the choice: its successor is chosen") {
  using Router = pdroute::DisaggregatedRouter<Scripted, Scripted, Node>;
  std::optional<Router> router;
  int choices = 0;
  Scripted policy;
  policy.rule = [&](std::size_t) -> std::optional<std::size_t> {
    // This stands for another thread.
    if (++choices == 1) REQUIRE(router->assign(Role::decode, Nodes{{"new0"}, {"new1"}}));
    return 0;
  };
  router.emplace(
      Router::create({.prefill = nodes("p", 1), .decode = nodes("old", 1), .decode_policy = policy}).value());
  auto dispatcher = router->dispatcher();
  const auto any = [](const Node&) { return true; };
  CHECK(dispatcher.decode({}, {.accept = any})->id() == "new0");
  CHECK(choices == 2);
}

TEST_CASE("a dispatcher is assigned from another router's: it draws, and orders its legs, as that one would have") {
  using Router =
      pdroute::DisaggregatedRouter<pdroute::PowerOfTwoChoicesPolicy<>, pdroute::PowerOfTwoChoicesPolicy<>, Node>;
  const auto make = [](std::uint64_t seed, Role first) {
    return Router::create({.prefill = nodes("p", 8), .decode = nodes("d", 8), .seed = seed, .first = first}).value();
  };
  auto other = make(1, Role::prefill);
  auto router = make(2, Role::decode);
  auto twin = make(2, Role::decode);
  auto dispatcher = other.dispatcher();
  dispatcher = router.dispatcher();
  auto as_made = twin.dispatcher();
  for (int i = 0; i < 50; ++i) CHECK(names(dispatcher.route()) == names(as_made.route()));
  for (auto* const each : {&router, &twin}) {
    REQUIRE(each->assign(Role::prefill, Nodes{}));
    REQUIRE(each->assign(Role::decode, Nodes{}));
  }
  CHECK(dispatcher.route().error() == NoEndpoint{.role = Role::decode});  // the leg that is chosen first is to blame
}

TEST_CASE("the router's own dispatcher lets go of removed endpoints as soon as the list changes, without a request") {
  const auto copies = std::make_shared<int>(0);
  std::vector<Counted> list{{"x", copies}};
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Counted>;
  auto router = Router::create({.prefill = list, .decode = list}).value();
  REQUIRE(router.route());  // the internal dispatcher holds a snapshot now
  list.clear();
  REQUIRE(router.assign(Role::prefill, {}));
  REQUIRE(router.assign(Role::decode, {}));
  CHECK(copies.use_count() == 1);
}

TEST_CASE("an endpoint type without address-of and comma operators is routed, filtered, explained and moved") {
  std::vector<NoOperators> list(2);
  list[0].id = "a";
  list[1].id = "b";
  using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::LeastRequestPolicy, NoOperators>;
  auto router = Router::create({.prefill = list, .decode = list}).value();
  const auto differ = [](const NoOperators& p, const NoOperators& d) { return p.id != d.id; };
  auto route = router.route({}, {.compatible = differ}).value();
  CHECK(route.prefill->id != route.decode->id);
  route.decode.fail(pdroute::FailureKind::unreachable);
  auto again = router.decode({}, {.compatible = differ}, *route.prefill).value();
  const auto id = router.detach(std::move(again));
  REQUIRE(id);
  router.adopt<Role::decode>(*id).value().complete();
  route.complete();
  CHECK(router.explain().prefill.chosen() != nullptr);
  CHECK(router.assign(Role::decode, list).value().kept.size() == 2);
  CHECK(router.update(Role::decode, list[0]) == std::nullopt);
}
