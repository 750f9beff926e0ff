// SPDX-License-Identifier: Apache-2.0
// Compatible pairs: the second choice must fit the first. A first choice that no endpoint fits is undone.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using pdroute::NoEndpoint;
using pdroute::Outcomes;
using pdroute::Role;
using Router = pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Node>;

/// The text of the refusal that an explanation foretells; empty if it foretells a route.
std::string explained_text(const Router::Dispatcher& dispatcher, const auto& by_group) {
  const auto explanation = dispatcher.explain({}, {.group = by_group});
  return explanation.refusal ? explanation.refusal->text() : std::string();
}

/// Chooses the first candidate, and notes how many the first role has while the second one chooses.
struct Watching {
  std::vector<std::size_t>* seen = nullptr;

  std::optional<std::size_t> select(const auto& /*candidates*/, const auto& /*request*/, auto& context) const {
    seen->push_back(context.first_size());
    return 0;
  }
};

constexpr auto same_group = [](const Node& p, const Node& d) { return p.group == d.group; };

}  // namespace

TEST_CASE("a first choice without a partner is undone without a trace, and another one is chosen") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  // The role chosen first begins with x0, which has no partner in the other role.
  const Nodes alone_first{{"x0", 'a'}, {"x1", 'b'}};
  const Nodes partners{{"y0", 'b'}, {"y1", 'b'}};
  using Qps = pdroute::DisaggregatedRouter<pdroute::QpsPolicy<>, pdroute::QpsPolicy<>, Node, pdroute::ManualClock>;
  auto router = Qps::create({.prefill = first == Role::prefill ? alone_first : partners,
                             .decode = first == Role::prefill ? partners : alone_first,
                             .first = first})
                    .value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 4; ++i) {
    auto route = dispatcher.route({}, {.compatible = same_group}).value();
    CHECK(route.prefill->group == 'b');
    CHECK(route.decode->group == 'b');
    route.complete();
  }
  CHECK(status(router, first, "x0").in_flight == 0);
  CHECK(status(router, first, "x0").outcomes == Outcomes{});
  CHECK(status(router, first, "x1").outcomes == Outcomes{.completed = 4});
  // x0 has had no arrivals, so it is now behind x1 by four.
  for (int i = 0; i < 4; ++i)
    CHECK((first == Role::prefill ? dispatcher.prefill()->id() : dispatcher.decode()->id()) == "x0");
}

TEST_CASE("the pair predicate gets prefill before decode, whichever role is chosen first") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  auto router = Router::create({.prefill = nodes("p", 2), .decode = nodes("d", 2), .first = first}).value();
  bool in_order = true;
  const auto route = router.route({}, {.compatible = [&](const Node& p, const Node& d) {
                                    in_order = in_order && p.id[0] == 'p' && d.id[0] == 'd';
                                    return p.id == "p1" && d.id == "d1";
                                  }});
  CHECK(in_order);
  CHECK(names(route) == "p1 d1");
}

TEST_CASE("only one pair fits: it is found, whichever endpoints the choice begins with") {
  auto router = Router::create({.prefill = nodes("p", 4), .decode = nodes("d", 4)}).value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 64; ++i) {
    const std::string p = "p" + std::to_string(i / 4 % 4);
    const std::string d = "d" + std::to_string(i % 4);
    const auto this_pair = [&](const Node& a, const Node& b) { return a.id == p && b.id == d; };
    CHECK(names(dispatcher.route({}, {.compatible = this_pair})) == p + " " + d);
  }
}

TEST_CASE("no pair fits: the reason names the second role and counts each of its members once") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  auto router = Router::create({.prefill = Nodes{{"p0", 'a'}, {"p1", 'b'}, {"p2", 'b'}},
                                .decode = Nodes{{"d0", 'c'}, {"d1", 'd'}},
                                .first = first})
                    .value();
  const auto error = router.route({}, {.compatible = same_group}).error();
  CHECK(error.role == (first == Role::prefill ? Role::decode : Role::prefill));
  CHECK(error.incompatible == error.endpoints);
  CHECK(sum_of_reasons(error) == error.endpoints);
  CHECK(in_flight(router, Role::prefill) + in_flight(router, Role::decode) == 0);
  CHECK(router.refusals(error.role).requests == 1);  // one request, however many pairs were tried
}

TEST_CASE("a fitting partner is full: another pair that fits is chosen, and without one it is overload") {
  auto router = Router::create({.prefill = Nodes{{"p0", 'a'}, {"p1", 'b'}},
                                .decode = Nodes{{"d0", 'a', {.requests = 1}}, {"d1", 'b', {.requests = 1}}}})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto a = dispatcher.route({}, {.compatible = same_group});
  const auto b = dispatcher.route({}, {.compatible = same_group});
  CHECK(names(a) == "p0 d0");
  CHECK(names(b) == "p1 d1");
  const auto refused = dispatcher.route({}, {.compatible = same_group});
  CHECK(refused.error() == NoEndpoint{.role = Role::decode, .endpoints = 2, .incompatible = 1, .full = 1});
  CHECK(refused.error().overloaded());
}

TEST_CASE("groups of equal size: each pair within a group gets an equal share") {
  auto router = Router::create({.prefill = Nodes{{"p0", 'a'}, {"p1", 'b'}, {"p2", 'a'}, {"p3", 'b'}},
                                .decode = Nodes{{"d0", 'a'}, {"d1", 'a'}, {"d2", 'b'}, {"d3", 'b'}}})
                    .value();
  auto dispatcher = router.dispatcher();
  std::map<std::string, int> pairs;
  for (int i = 0; i < 800; ++i) ++pairs[names(dispatcher.route({}, {.compatible = same_group}))];
  CHECK(pairs.size() == 8);
  for (const auto& [pair, times] : pairs) {
    INFO(pair);
    CHECK(std::abs(times - 100) < 36);  // prefill rotates, its partner is drawn at random: five standard deviations
  }
}

TEST_CASE("the only prefill endpoint with a partner is full: the answer is overload") {
  auto router =
      Router::create({.prefill = Nodes{{"p0", 'x'}, {"p1", 'a', {.requests = 1}}}, .decode = Nodes{{"d0", 'a'}}})
          .value();
  auto dispatcher = router.dispatcher();
  auto running = dispatcher.route({}, {.compatible = same_group});
  CHECK(names(running) == "p1 d0");
  const auto refused = dispatcher.route({}, {.compatible = same_group});
  CHECK(refused.error() == NoEndpoint{.role = Role::prefill, .endpoints = 2, .incompatible = 1, .full = 1});
  running->complete();
  CHECK(names(dispatcher.route({}, {.compatible = same_group})) == "p1 d0");
}

TEST_CASE("one first choice meets a full partner, another has none: it is overload, whichever comes first") {
  auto router = Router::create({.prefill = Nodes{{"p0", 'a'}, {"p1", 'x'}},
                                .decode = Nodes{{"d0", 'a', {.requests = 1}}, {"d1", 'b'}}})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto running = dispatcher.route({}, {.compatible = same_group});
  for (int i = 0; i < 4; ++i) {
    CHECK(dispatcher.route({}, {.compatible = same_group}).error().overloaded());
    static_cast<void>(dispatcher.prefill());  // the next route begins with the other prefill endpoint
  }
}

TEST_CASE(
    "pairs told by a group: a pair is found, and overload is told, as with a predicate that compares the groups") {
  const Role first = GENERATE(Role::prefill, Role::decode);
  const auto by_group = [](const Node& node) { return node.group; };
  pdroute::SplitMix64 random{5};
  const auto below = [&](std::uint32_t bound) { return pdroute::below(random, bound); };
  int routes = 0;
  int overloads = 0;
  int others = 0;
  for (int round = 0; round < 600; ++round) {
    std::vector<Router::PrefillLease> prefill_held;
    std::vector<Router::DecodeLease> decode_held;
    Nodes prefill = nodes("p", 1 + below(5));
    Nodes decode = nodes("d", 1 + below(5));
    for (Nodes* const list : {&prefill, &decode}) {
      for (Node& node : *list) {
        node.group = static_cast<char>('a' + below(4));
        if (below(2) == 0) node.capacity.requests = 1;
      }
    }
    auto router = Router::create({.prefill = prefill, .decode = decode, .first = first}).value();
    auto dispatcher = router.dispatcher();
    for (const auto& node : prefill) {
      const std::vector<std::string_view> only{node.id};
      if (node.capacity.requests && below(2) == 0)
        prefill_held.push_back(dispatcher.prefill({}, {.allowed = only}).value());
    }
    for (const auto& node : decode) {
      const std::vector<std::string_view> only{node.id};
      if (node.capacity.requests && below(2) == 0)
        decode_held.push_back(dispatcher.decode({}, {.allowed = only}).value());
    }
    auto compared = dispatcher.route({}, {.compatible = same_group});
    if (compared) compared->complete();
    const std::string foretold = explained_text(dispatcher, by_group);
    const auto told = dispatcher.route({}, {.group = by_group});
    INFO(names(told));
    REQUIRE(told.has_value() == compared.has_value());
    if (told) {
      ++routes;
      CHECK(told->prefill->group == told->decode->group);
      CHECK(foretold.empty());
      continue;
    }
    ++(told.error().overloaded() ? overloads : others);
    // A full endpoint without a partner is overload for the predicate, and incompatible where groups are known.
    const bool any_pair = std::any_of(prefill.begin(), prefill.end(), [&](const Node& p) {
      return std::any_of(decode.begin(), decode.end(), [&](const Node& d) { return same_group(p, d); });
    });
    if (any_pair || told.error().overloaded()) CHECK(told.error().role == compared.error().role);
    if (any_pair) CHECK(told.error().overloaded());
    if (told.error().overloaded()) CHECK(compared.error().overloaded());
    CHECK(sum_of_reasons(told.error()) == told.error().endpoints);
    CHECK(foretold == told.error().text());
  }
  CHECK(routes > 100);
  CHECK(overloads > 50);
  CHECK(others > 50);
}

TEST_CASE(
    "pairs told by a group, and no group is in both roles: each endpoint is looked at a few times, not once a pair") {
  const std::size_t n = 200;
  Nodes prefill = nodes("p", n);
  Nodes decode = nodes("d", n);
  auto router = Router::create({.prefill = prefill, .decode = decode}).value();
  auto dispatcher = router.dispatcher();
  std::size_t asked = 0;
  const auto group = [&](const Node& node) {
    ++asked;
    return std::stoi(node.id.substr(1)) * 2 + (node.id[0] == 'p' ? 0 : 1);
  };
  CHECK(dispatcher.route({}, {.group = group}).error() ==
        NoEndpoint{.role = Role::decode, .endpoints = 200, .incompatible = 200});
  CHECK(asked < 8 * n);
  // One partner, wherever it is, is found as quickly.
  for (const char* const partner : {"p0", "p77", "p199"}) {
    asked = 0;
    const auto one_pair = [&](const Node& node) { return node.id == partner ? 1 : group(node); };
    CHECK(names(dispatcher.route({}, {.group = one_pair})) == std::string(partner) + " d0");
    CHECK(asked < 8 * n);
  }
}

TEST_CASE("pairs told by a group and by a predicate: both must hold") {
  auto router = Router::create({.prefill = Nodes{{"p0", 'a'}, {"p1", 'b'}, {"p2", 'b'}},
                                .decode = Nodes{{"d0", 'b'}, {"d1", 'b'}, {"d2", 'c'}}})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto by_group = [](const Node& node) { return node.group; };
  const auto same_number = [](const Node& p, const Node& d) { return p.id[1] == d.id[1]; };
  for (int i = 0; i < 6; ++i)
    CHECK(names(dispatcher.route({}, {.group = by_group, .compatible = same_number})) == "p1 d1");
  CHECK(in_flight(router, Role::prefill) + in_flight(router, Role::decode) == 0);
}

TEST_CASE(
    "no endpoint of the second role serves, and one of the first is full: the second is to blame, and asked once") {
  auto router =
      Router::create({.prefill = Nodes{{"p0"}, {"p1"}, {"p2", 'a', {.requests = 1}}}, .decode = nodes("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  const auto full = router.prefill({}, {.accept = [](const Node& node) { return node.id == "p2"; }});
  REQUIRE(full);
  int asked = 0;
  const auto nothing = [&](const Node& /*node*/) {
    ++asked;
    return false;
  };
  const auto group = [](const Node& node) { return static_cast<std::uint64_t>(node.group); };
  SECTION("pairs told by a predicate") {
    CHECK(dispatcher.route({}, {.decode = {.accept = nothing}, .compatible = same_group}).error() ==
          NoEndpoint{.role = Role::decode, .endpoints = 1, .disallowed = 1});
  }
  SECTION("pairs told by a group") {
    CHECK(dispatcher.route({}, {.decode = {.accept = nothing}, .group = group}).error() ==
          NoEndpoint{.role = Role::decode, .endpoints = 1, .disallowed = 1});
  }
  CHECK(asked == 1);
}

TEST_CASE("an endpoint that is held back has no partner, it counts as incompatible alone, request after request") {
  auto router = Router::create({.prefill = nodes("p", 1), .decode = nodes("d", 1)}).value();
  auto dispatcher = router.dispatcher();
  for (int i = 0; i < 3; ++i) {
    dispatcher.prefill()->fail(pdroute::FailureKind::overloaded);
    CHECK(dispatcher.route({}, {.compatible = [](const Node&, const Node&) { return false; }}).error() ==
          NoEndpoint{.role = Role::decode, .endpoints = 1, .incompatible = 1});
  }
}

TEST_CASE("an endpoint that has failed too often has no partner, and the other is full: each counts once") {
  auto router = Router::create({.prefill = Nodes{{"p0"}, {"p1", 'a', {.requests = 1}}},
                                .decode = nodes("d", 1),
                                .outlier_detection = {.consecutive_failures = 1}})
                    .value();
  auto dispatcher = router.dispatcher();
  const auto only = [](const char* id) { return [id](const Node& node) { return node.id == id; }; };
  dispatcher.prefill({}, {.accept = only("p0")})->fail(pdroute::FailureKind::unreachable);
  const auto full = dispatcher.prefill({}, {.accept = only("p1")});
  REQUIRE(full);
  CHECK(dispatcher.route({}, {.compatible = [](const Node&, const Node&) { return false; }}).error() ==
        NoEndpoint{.role = Role::prefill, .endpoints = 2, .incompatible = 1, .full = 1});
}

TEST_CASE("another first choice is made, and the policy of the first role still sees that it is the first") {
  std::vector<std::size_t> first;
  std::vector<std::size_t> second;
  auto router =
      pdroute::DisaggregatedRouter<Watching, Watching, Node>::create(
          {.prefill = nodes("p", 2), .decode = nodes("d", 1), .prefill_policy = {&first}, .decode_policy = {&second}})
          .value();
  CHECK(names(router.route({}, {.compatible = [](const Node& p, const Node&) { return p.id == "p1"; }})) == "p1 d0");
  CHECK(first == std::vector<std::size_t>{0, 0});
  CHECK(second == std::vector<std::size_t>{2});
}
