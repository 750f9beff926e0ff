// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/session_affinity.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/load/request_rate.hpp>
#include <pdroute/manual_clock.hpp>
#include <pdroute/policy/check_policy.hpp>
#include <pdroute/policy/least_loaded.hpp>
#include <pdroute/policy/local_context.hpp>
#include <pdroute/policy/qps.hpp>
#include <pdroute/policy/random.hpp>
#include <pdroute/policy/round_robin.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::key;
using pdroute::ManualClock;
using pdroute::Request;
using pdroute::Role;
using pdroute::RoundRobinPolicy;
using pdroute::SessionAffinityPolicy;
using pdroute::SessionTable;
using Rule = pdroute::ConfigError::Rule;

/// A node in the caller's own registry, which says its incarnation and its requests in flight.
struct Node {
  std::uint64_t number;
  std::uint32_t requests = 0;
  [[nodiscard]] std::uint64_t incarnation() const { return number; }
  [[nodiscard]] std::uint32_t in_flight() const { return requests; }
};
struct DecodeNode : Node {
  static constexpr Role role = Role::decode;
};
/// A `role` that is no constant of the type does not count.
struct NodeWithChangingRole : Node {
  Role role = Role::decode;
};
using Nodes = std::vector<Node>;

/// Nodes of which the last few are drained for new sessions only, as in the router's own candidates.
struct PartlyDrained {
  Nodes nodes;
  std::size_t drained = 0;
  [[nodiscard]] std::size_t size() const { return nodes.size() - drained; }
  [[nodiscard]] std::size_t bound_only_size() const { return drained; }
  const Node& operator[](std::size_t i) const { return nodes.at(i); }
};

/// A fallback that always chooses the last of the nodes, so a choice of another node comes from a binding.
struct Last {
  std::optional<std::size_t> select(const auto& candidates, const auto& /*request*/, auto& /*context*/) const {
    return candidates.size() == 0 ? std::nullopt : std::optional{candidates.size() - 1};
  }
};

/// A context that counts the reads of its clock.
struct CountingContext {
  ManualClock clock = {};
  int readings = 0;

  auto now() {
    ++readings;
    return clock.now();
  }
  static std::uint32_t below(std::uint32_t /*bound*/) { return 0; }
};

struct Gateway {
  std::shared_ptr<SessionTable> sessions = std::make_shared<SessionTable>();
  SessionAffinityPolicy<Last> policy{.sessions = sessions};
  CountingContext context = {};
  Nodes nodes{{11}, {12}, {13}};

  std::optional<std::size_t> choose(const Request& request) { return policy.select(nodes, request, context); }
  std::optional<std::size_t> choose(const Request& request, const PartlyDrained& from) {
    return policy.select(from, request, context);
  }
  void accepted(pdroute::Key session, std::size_t i) { sessions->bind(session, nodes[i], context.clock.now()); }
};

/// Takes the reason of an explanation.
struct Trace {
  std::string text = {};
  void reason(std::string_view why) { text = why; }
};

const Request u42{.key = key("u42")};
const Request helper{.key = key("u42/helper"), .group = key("u42")};

static_assert(pdroute::check_policy<SessionAffinityPolicy<Last>, Nodes>());
static_assert(std::is_aggregate_v<SessionAffinityPolicy<Last>>);
static_assert(pdroute::IncarnatedCandidates<Nodes> && !pdroute::IncarnatedCandidates<std::vector<int>>);
struct Uncounted {
  [[nodiscard]] static std::uint64_t incarnation() { return 1; }
};
static_assert(pdroute::SessionCandidates<Nodes> && pdroute::SessionCandidates<PartlyDrained>);
static_assert(!pdroute::SessionCandidates<std::vector<Uncounted>>);  // the margin would silently not count
static_assert(pdroute::detail::role_of<Node>() == Role::prefill);
static_assert(pdroute::detail::role_of<DecodeNode>() == Role::decode);
static_assert(pdroute::detail::role_of<NodeWithChangingRole>() == Role::prefill);
// State and load are those of the fallback alone.
static_assert(std::is_empty_v<pdroute::detail::StateOf<SessionAffinityPolicy<Last>>>);
static_assert(std::is_same_v<SessionAffinityPolicy<Last>::Load, pdroute::NoLoad>);
static_assert(std::is_same_v<SessionAffinityPolicy<pdroute::QpsPolicy<>>::Load, pdroute::RequestRate>);
static_assert(
    std::is_same_v<pdroute::detail::StateOf<SessionAffinityPolicy<RoundRobinPolicy<>>>, RoundRobinPolicy<>::State>);

}  // namespace

TEST_CASE("session affinity: no endpoint gives none, a single one is chosen") {
  Gateway gateway;
  gateway.accepted(*u42.key, 0);
  gateway.nodes = {};
  CHECK(gateway.choose(u42) == std::nullopt);
  gateway.nodes = {{12}};
  CHECK(gateway.choose(u42) == 0U);
}

TEST_CASE("session affinity: without a key or a binding, the fallback chooses") {
  Gateway gateway;
  gateway.accepted(*u42.key, 0);
  CHECK(gateway.choose({}) == 2U);
  CHECK(gateway.choose({.key = key("u43")}) == 2U);
}

TEST_CASE("session affinity: a bound session goes to its endpoint, at any position in the list") {
  Gateway gateway;
  gateway.accepted(*u42.key, 1);
  CHECK(gateway.choose(u42) == 1U);
  gateway.nodes = {{12}, {10}, {11}};
  CHECK(gateway.choose(u42) == 0U);
}

TEST_CASE("session affinity: a choice alone binds nothing") {
  Gateway gateway;
  CHECK(gateway.choose(u42) == 2U);
  CHECK_FALSE(gateway.sessions->find(*u42.key, Role::prefill, gateway.context.clock.now()));
}

TEST_CASE("session affinity: a session idle for too long is unbound, and each accepted request restarts the time") {
  Gateway gateway;
  for (int i = 0; i < 5; ++i) {
    gateway.accepted(*u42.key, 0);
    gateway.context.clock.advance(4h);
    CHECK(gateway.choose(u42) == 0U);
  }
  gateway.context.clock.advance(1min);
  CHECK(gateway.choose(u42) == 2U);
}

TEST_CASE("session affinity: the endpoint is gone or in a new life, so the fallback chooses and binds anew") {
  Gateway gateway;
  gateway.accepted(*u42.key, 0);
  gateway.nodes = {{21}, {12}, {13}};
  CHECK(gateway.choose(u42) == 2U);
  gateway.accepted(*u42.key, 1);
  CHECK(gateway.choose(u42) == 1U);
  gateway.nodes = {{11}, {12}, {13}};  // back again, but the session has moved
  CHECK(gateway.choose(u42) == 1U);
}

TEST_CASE("session affinity: bindings for nodes without a role and for decode nodes are separate") {
  Gateway gateway;
  gateway.accepted(*u42.key, 0);
  const std::vector<DecodeNode> decode{{{11}}, {{12}}, {{13}}};
  CHECK(gateway.policy.select(decode, u42, gateway.context) == 2U);
  gateway.sessions->bind(*u42.key, decode[1], gateway.context.clock.now());
  CHECK(gateway.policy.select(decode, u42, gateway.context) == 1U);
  CHECK(gateway.choose(u42) == 0U);
}

TEST_CASE("session affinity: the clock is read only for a request with a key") {
  Gateway gateway;
  static_cast<void>(gateway.choose({}));
  CHECK(gateway.context.readings == 0);
  static_cast<void>(gateway.choose(u42));
  CHECK(gateway.context.readings == 1);
}

TEST_CASE("session affinity: the caller's own request type may have no key, or always one") {
  struct Plain {};
  struct Chat {
    pdroute::Key key;
  };
  Gateway gateway;
  gateway.accepted(key("u42"), 0);
  CHECK(gateway.policy.select(gateway.nodes, Plain{}, gateway.context) == 2U);
  CHECK(gateway.policy.select(gateway.nodes, Chat{key("u42")}, gateway.context) == 0U);
}

TEST_CASE("session affinity: the fallback's turn does not move while a binding decides") {
  const auto sessions = std::make_shared<SessionTable>();
  const SessionAffinityPolicy<RoundRobinPolicy<>> policy{.sessions = sessions};
  pdroute::LocalContext context{policy, ManualClock{}};
  const Nodes nodes{{11}, {12}, {13}};
  sessions->bind(*u42.key, nodes[2], context.now());
  std::vector<std::optional<std::size_t>> others;
  for (int i = 0; i < 6; ++i) {
    for (int bound = 0; bound < i; ++bound) CHECK(policy.select(nodes, u42, context) == 2U);
    others.push_back(policy.select(nodes, Request{}, context));
  }
  CHECK(others == std::vector<std::optional<std::size_t>>{0, 1, 2, 0, 1, 2});
}

TEST_CASE("session affinity: a missing table, a bad table and a bad fallback are refused") {
  const auto table = [](const SessionTable::Options& options) { return std::make_shared<SessionTable>(options); };
  using Policy = SessionAffinityPolicy<pdroute::QpsPolicy<>>;
  const auto refused = [](const Policy& policy) {
    const auto error = policy.check();
    return error ? std::optional{error->rule} : std::nullopt;
  };
  CHECK(refused({.sessions = table({})}) == std::nullopt);
  CHECK(refused({}) == Rule::session_table_given);
  CHECK(refused({.sessions = table({.max_bindings = 0})}) == Rule::sessions_in_range);
  CHECK(refused({.sessions = table({.idle = 0s})}) == Rule::idle_in_range);
  CHECK(refused({.sessions = table({}), .fallback = {.cost = {.window = 0s}}}) == Rule::window_in_range);
}

TEST_CASE("session affinity: without a table, or with a bad one, the fallback chooses") {
  Gateway gateway;
  gateway.policy.sessions = nullptr;
  CHECK(gateway.choose(u42) == 2U);
  gateway.policy.sessions = std::make_shared<SessionTable>(SessionTable::Options{.idle = 0s});
  CHECK(gateway.choose(u42) == 2U);
}

TEST_CASE("session affinity: an endpoint drained for new sessions serves its own sessions and no others") {
  Gateway gateway;
  gateway.accepted(*u42.key, 1);
  const PartlyDrained rest{{{11}, {13}, {12}}, 1};  // the second node is drained, and so it stands last
  CHECK(gateway.choose(u42, rest) == 2U);
  CHECK(gateway.choose({}, rest) == 1U);
  CHECK(gateway.choose({.key = key("new")}, rest) == 1U);
  gateway.sessions->forget(*u42.key);
  CHECK(gateway.choose(u42, rest) == 1U);
}

TEST_CASE("session affinity: all endpoints are drained for new sessions, only bound sessions are served") {
  Gateway gateway;
  gateway.accepted(*u42.key, 0);
  const PartlyDrained rest{{{12}, {11}}, 2};
  CHECK(gateway.choose(u42, rest) == 1U);
  CHECK(gateway.choose({.key = key("new")}, rest) == std::nullopt);
}

TEST_CASE("session affinity: a new session of a group does not begin on an endpoint drained for new sessions") {
  Gateway gateway;
  gateway.accepted(*helper.group, 1);
  const PartlyDrained rest{{{11}, {13}, {12}}, 1};
  CHECK(gateway.choose(helper, rest) == 1U);
  gateway.accepted(*helper.key, 1);  // it had begun there before the drain
  CHECK(gateway.choose(helper, rest) == 2U);
}

TEST_CASE("session affinity: a session leaves an endpoint with more than the margin above the least busy one") {
  Gateway gateway;
  gateway.policy.margin = 5;
  gateway.accepted(*u42.key, 0);
  gateway.nodes = {{11, 12}, {12, 7}, {13, 40}};
  CHECK(gateway.choose(u42) == 0U);  // 12 is not more than 7 + 5
  gateway.nodes[0].requests = 13;
  CHECK(gateway.choose(u42) == 2U);  // the fallback chooses, whatever it is
  gateway.nodes[1].requests = 8;
  CHECK(gateway.choose(u42) == 0U);  // the session is still bound there
  gateway.nodes = {{11, 5}, {12}, {13}};
  CHECK(gateway.choose(u42) == 0U);
  gateway.nodes[0].requests = 6;
  CHECK(gateway.choose(u42) == 2U);
}

TEST_CASE("session affinity: the margin is 32 unless another one is given, and none means that sessions stay") {
  Gateway gateway;
  gateway.accepted(*u42.key, 0);
  gateway.nodes[0].requests = 32;
  CHECK(gateway.choose(u42) == 0U);
  gateway.nodes[0].requests = 33;
  CHECK(gateway.choose(u42) == 2U);
  gateway.policy.margin = std::nullopt;
  gateway.nodes[0].requests = 1'000'000;
  CHECK(gateway.choose(u42) == 0U);
}

TEST_CASE("session affinity: a busy endpoint is no busier than the other candidates, the session stays") {
  Gateway gateway;
  gateway.policy.margin = 0;
  gateway.accepted(*u42.key, 0);
  gateway.nodes = {{11, 500}};
  CHECK(gateway.choose(u42) == 0U);
  // One that is idle but drained for new sessions is no alternative.
  CHECK(gateway.choose(u42, {{{11, 500}, {13, 500}, {12, 0}}, 1}) == 0U);
}

TEST_CASE("session affinity: a drained endpoint that is far busier than the others is left, too") {
  Gateway gateway;
  gateway.accepted(*u42.key, 1);
  CHECK(gateway.choose(u42, {{{11}, {13}, {12, 32}}, 1}) == 2U);
  CHECK(gateway.choose(u42, {{{11}, {13}, {12, 33}}, 1}) == 1U);
}

TEST_CASE("session affinity: with weights, the margin compares requests in proportion to weight") {
  struct Weighted : Node {
    std::uint32_t share = 1;
    [[nodiscard]] std::uint32_t weight() const { return share; }
  };
  Gateway gateway;
  gateway.accepted(*u42.key, 0);
  const auto stays = [&](const std::vector<Weighted>& nodes) {
    return gateway.policy.select(nodes, u42, gateway.context) == 0U;
  };
  CHECK(stays({{{11, 232}, 10}, {{12, 20}, 1}}));  // 232 is its share beside 20, and the margin
  CHECK_FALSE(stays({{{11, 233}, 10}, {{12, 20}, 1}}));
  CHECK(stays({{{11, 34}, 1}, {{12, 20}, 10}}));
  CHECK_FALSE(stays({{{11, 35}, 1}, {{12, 20}, 10}}));
  CHECK(stays({{{11, 500}, 1}, {{12, 0}, 0}}));  // weight 0 takes no requests, so it is no alternative
}

TEST_CASE("session affinity: a session that moved with a bind stays at its new endpoint") {
  Gateway gateway;
  gateway.policy.margin = 5;
  gateway.nodes = {{11, 20}, {12, 3}, {13, 0}};
  gateway.accepted(*u42.key, 0);
  CHECK(gateway.choose(u42) == 2U);
  gateway.accepted(*u42.key, 2);
  gateway.nodes = {{11, 0}, {12, 3}, {13, 5}};
  CHECK(gateway.choose(u42) == 2U);
}

TEST_CASE("session affinity: a new session of a group begins at the group's endpoint, and then keeps its own") {
  Gateway gateway;
  CHECK(gateway.choose(helper) == 2U);
  gateway.accepted(*helper.group, 1);
  CHECK(gateway.choose(helper) == 1U);
  CHECK(gateway.choose({.key = key("u42/other"), .group = key("u42")}) == 1U);
  CHECK(gateway.choose({.group = key("u42")}) == 1U);  // without a session of its own
  gateway.accepted(*helper.key, 0);
  CHECK(gateway.choose(helper) == 0U);
  gateway.nodes[0].number = 21;  // its own endpoint has restarted
  CHECK(gateway.choose(helper) == 1U);
}

TEST_CASE("session affinity: the group's endpoint is far busier than the others, the fallback chooses") {
  Gateway gateway;
  gateway.accepted(*helper.group, 1);
  gateway.nodes[1].requests = 33;
  CHECK(gateway.choose(helper) == 2U);
}

TEST_CASE("session affinity: the session's endpoint is too busy, the group's is next, and the clock is read once") {
  Gateway gateway;
  gateway.accepted(*helper.key, 0);
  gateway.accepted(*helper.group, 1);
  gateway.nodes[0].requests = 33;
  CHECK(gateway.choose(helper) == 1U);
  CHECK(gateway.context.readings == 1);
}

TEST_CASE("session affinity: the explanation says whether the session or its group decided") {
  Gateway gateway;
  const auto reason = [&](const Request& request) {
    Trace trace;
    gateway.policy.explain(gateway.nodes, request, gateway.context, trace);
    return trace.text;
  };
  CHECK(reason(helper) == "the policy's choice");
  gateway.accepted(*helper.group, 1);
  CHECK(reason(helper) == "it serves the session's group");
  gateway.accepted(*helper.key, 1);
  CHECK(reason(helper) == "it serves the session");
  gateway.nodes[1].requests = 33;
  CHECK(reason(helper) == "the policy's choice");
}

TEST_CASE("session affinity: two routers share a table, a life of one is not taken for a life of the other") {
  struct Marked : Node {
    struct Name {
      std::uint64_t router;
    };
    std::uint64_t mark = 0;
    [[nodiscard]] Name key() const { return {mark}; }
  };
  Gateway gateway;
  const auto now = gateway.context.clock.now();
  const std::vector<Marked> ours{{{11}, 7}, {{12}, 7}, {{13}, 7}};  // both number their lives alike
  const std::vector<Marked> theirs{{{11}, 8}, {{12}, 8}, {{13}, 8}};
  const auto choose = [&](const std::vector<Marked>& nodes) {
    return gateway.policy.select(nodes, u42, gateway.context);
  };
  gateway.sessions->bind(*u42.key, theirs[0], now);
  CHECK(choose(theirs) == 0U);
  CHECK(choose(ours) == 2U);
  CHECK(gateway.choose(u42) == 2U);  // nor for a life of a list without a router
  CHECK(gateway.sessions->count(theirs[0], now) == 1);
  CHECK(gateway.sessions->count(ours[0], now) == 0);
  gateway.sessions->bind(*u42.key, ours[1], now);  // the later one has the session
  CHECK(choose(ours) == 1U);
  CHECK(choose(theirs) == 2U);
  CHECK(gateway.sessions->find(*u42.key, Role::prefill, now) == 12U);  // of the router that bound last
  gateway.sessions->forget(*u42.key);                                  // whichever has it
  CHECK(choose(ours) == 2U);
}
