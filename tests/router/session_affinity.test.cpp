// SPDX-License-Identifier: Apache-2.0
// Sessions through the router: limits, filters, restarts, role changes, retries, and threads.
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "catch2_compat.hpp"
#include "router/support.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::key;
using pdroute::ManualClock;
using pdroute::Request;
using pdroute::Role;
using pdroute::SessionTable;
using Sticky = pdroute::SessionAffinityPolicy<pdroute::RoundRobinPolicy<>>;
using Router = pdroute::DisaggregatedRouter<Sticky, Sticky, Node, ManualClock>;

const Request u42{.prompt_tokens = 1, .key = key("u42")};

struct Gateway {
  ManualClock clock;
  std::shared_ptr<SessionTable> sessions = std::make_shared<SessionTable>();
  Router router = Router::create({.prefill = nodes("p", 3),
                                  .decode = nodes("d", 4, {.requests = 2}),
                                  .prefill_policy = {.sessions = sessions},
                                  .decode_policy = {.sessions = sessions},
                                  .clock = clock})
                      .value();
  Router::Dispatcher dispatcher = router.dispatcher();

  /// Routes a request and binds its session, as after a successful dispatch. Returns the ids of both endpoints.
  std::string serve(const Request& request) {
    auto route = dispatcher.route(request);
    if (route && request.key) {
      sessions->bind(*request.key, route->prefill, clock.now());
      sessions->bind(*request.key, route->decode, clock.now());
    }
    return names(route);
  }
};

}  // namespace

TEST_CASE("sessions: each leg keeps the session's endpoint while other requests rotate") {
  Gateway gateway;
  CHECK(gateway.serve({}) == "p0 d0");
  CHECK(gateway.serve(u42) == "p1 d1");
  CHECK(gateway.serve({}) == "p2 d2");
  CHECK(gateway.serve(u42) == "p1 d1");
  CHECK(gateway.serve({}) == "p0 d3");
  gateway.sessions->forget(key("u42"), Role::decode);
  CHECK(gateway.serve(u42) != "p1 d1");
  CHECK(gateway.serve(u42).substr(0, 2) == "p1");
}

TEST_CASE("sessions: each leg has a table of its own, and keeps sessions for that table's idle time") {
  ManualClock clock;
  const auto for_prefill = std::make_shared<SessionTable>(SessionTable::Options{.idle = 1h});
  const auto for_decode = std::make_shared<SessionTable>(SessionTable::Options{.idle = 1min});
  auto router = Router::create({.prefill = nodes("p", 3),
                                .decode = nodes("d", 3),
                                .prefill_policy = {.sessions = for_prefill},
                                .decode_policy = {.sessions = for_decode},
                                .clock = clock})
                    .value();
  auto dispatcher = router.dispatcher();
  {
    auto route = dispatcher.route(u42).value();
    CHECK(route.prefill.id() == "p0");
    for_prefill->bind(*u42.key, route.prefill, clock.now());
    for_decode->bind(*u42.key, route.decode, clock.now());
  }
  CHECK(names(dispatcher.route(u42)) == "p0 d0");
  clock.advance(2min);
  std::string decode;
  for (int i = 0; i < 3; ++i) {
    const auto route = dispatcher.route(u42).value();
    CHECK(route.prefill.id() == "p0");
    decode += route.decode.id();
  }
  CHECK(decode != "d0d0d0");  // the binding has expired, so the fallback rotates
}

TEST_CASE("sessions: a dispatch fails, nothing is bound and the fallback chooses the next try") {
  Gateway gateway;
  auto route = gateway.dispatcher.route(u42).value();
  CHECK(route.decode.id() == "d0");
  route.decode.fail(pdroute::FailureKind::unreachable);
  CHECK(gateway.dispatcher.decode(u42)->id() == "d1");
}

TEST_CASE("sessions: the bound endpoint is full, another one serves until it has room again") {
  Gateway gateway;
  CHECK(gateway.serve(u42) == "p0 d0");
  std::array<Router::Route, 2> held{gateway.dispatcher.route(u42).value(), gateway.dispatcher.route(u42).value()};
  CHECK(status(gateway.router, Role::decode, "d0").in_flight == 2);
  CHECK(gateway.dispatcher.route(u42)->decode.id() != "d0");
  held[0].complete();
  CHECK(gateway.dispatcher.route(u42)->decode.id() == "d0");
}

TEST_CASE("sessions: one session sends 200 requests at once, its endpoint keeps the margin above the others") {
  using Decode = pdroute::SessionAffinityPolicy<pdroute::LeastRequestPolicy>;
  using OneHot = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, Decode, Node, ManualClock>;
  const auto most_with = [](std::optional<std::uint32_t> margin) {
    const auto sessions = std::make_shared<SessionTable>();
    ManualClock clock;
    auto router = OneHot::create({.prefill = nodes("p", 1),
                                  .decode = nodes("d", 4),
                                  .decode_policy = {.sessions = sessions, .margin = margin},
                                  .clock = clock})
                      .value();
    auto dispatcher = router.dispatcher();
    std::vector<OneHot::DecodeLease> running;
    for (int i = 0; i < 200; ++i) {
      running.push_back(dispatcher.decode(u42).value());
      if (i == 0) sessions->bind(*u42.key, running[0], clock.now());
    }
    return status(router, Role::decode, "d0").in_flight;
  };
  CHECK(most_with(32) == 74);  // the others have 42 each
  CHECK(most_with(0) == 50);
  CHECK(most_with(std::nullopt) == 200);
}

TEST_CASE("sessions: a sub-agent begins where its group is bound, and then keeps its own endpoint") {
  Gateway gateway;
  CHECK(gateway.serve({}) == "p0 d0");
  CHECK(gateway.serve(u42) == "p1 d1");
  const Request helper{.key = key("u42/helper"), .group = u42.key};
  CHECK(gateway.serve(helper) == "p1 d1");
  gateway.sessions->forget(*u42.key);
  CHECK(gateway.serve(helper) == "p1 d1");
  CHECK(gateway.serve({.key = key("u42/other"), .group = u42.key}) == "p2 d2");  // the group is bound nowhere
}

TEST_CASE("sessions: the table counts the sessions of an endpoint by its status, so a drain can wait for them") {
  Gateway gateway;
  for (const char* user : {"a", "b", "c", "d", "e"}) gateway.serve({.key = key(user)});
  const auto sessions_on = [&](const char* id) {
    const auto incarnation = status(gateway.router, Role::decode, id).incarnation;
    return gateway.sessions->count(Role::decode, incarnation, gateway.clock.now());
  };
  CHECK(sessions_on("d0") == 2);
  CHECK(sessions_on("d1") == 1);
  gateway.sessions->forget(key("a"));
  CHECK(sessions_on("d0") == 1);
  gateway.clock.advance(4h + 1min);
  CHECK(sessions_on("d0") == 0);
}

TEST_CASE("sessions: sessions are a load, counted in the caller's endpoint by its gateway, from begin to end") {
  struct Counted {
    std::string id;
    std::shared_ptr<std::atomic<std::size_t>> sessions = std::make_shared<std::atomic<std::size_t>>(0);
  };
  using FewestSessions =
      pdroute::LowestCostPolicy<decltype([](const auto& c) { return c.endpoint().sessions->load(); })>;
  using Decode = pdroute::SessionAffinityPolicy<FewestSessions>;
  using OfSessions = pdroute::DisaggregatedRouter<pdroute::RandomPolicy<>, Decode, Counted, ManualClock>;
  ManualClock clock;
  const auto table = std::make_shared<SessionTable>(SessionTable::Options{.idle = 1h});
  const std::vector<Counted> prefill{{"p0"}};
  const std::vector<Counted> decode{{"d0"}, {"d1"}, {"d2"}};
  auto router =
      OfSessions::create({.prefill = prefill, .decode = decode, .decode_policy = {.sessions = table}, .clock = clock})
          .value();
  auto dispatcher = router.dispatcher();
  // Requests end at once, so only sessions tell the endpoints apart.
  const auto serve = [&](std::string_view session) {
    const Request request{.key = key(session)};
    auto lease = dispatcher.decode(request).value();
    if (!table->find(*request.key, Role::decode, clock.now())) ++*lease->sessions;  // it begins
    table->bind(*request.key, lease, clock.now());
    const std::string id(lease.id());
    lease.complete();
    return id;
  };
  const auto end = [&](std::string_view session, const Counted& endpoint) {
    table->forget(key(session));
    --*endpoint.sessions;
  };
  std::string served;
  for (const char* session : {"a", "a", "b", "c", "a"}) served += serve(session);
  CHECK(served == "d0d0d1d2d0");
  end("b", decode[1]);
  CHECK(serve("d") == "d1");

  // A gateway that is not told when sessions end sets the numbers from the table, in which idle sessions end.
  clock.advance(50min);
  CHECK(serve("c") == "d2");
  clock.advance(20min);
  for (const Counted& endpoint : decode) {
    const auto incarnation = router.endpoint(Role::decode, endpoint.id)->incarnation;
    endpoint.sessions->store(table->count(Role::decode, incarnation, clock.now()));
  }
  CHECK(decode[0].sessions->load() + decode[1].sessions->load() == 0);
  CHECK(decode[2].sessions->load() == 1);
}

TEST_CASE("sessions: the bound endpoint fails and is excluded, the session moves at the next bind") {
  Gateway gateway;
  CHECK(gateway.serve(u42) == "p0 d0");
  pdroute::FailedEndpoints<> failed;
  gateway.dispatcher.decode(u42)->fail(pdroute::FailureKind::bad_response, failed);
  auto retry = gateway.dispatcher.decode(u42, {.exclude = failed}).value();
  const std::string next(retry.id());
  CHECK(next != "d0");
  CHECK(gateway.dispatcher.decode(u42)->id() == "d0");  // the retry is not bound yet
  gateway.sessions->bind(*u42.key, retry, gateway.clock.now());
  CHECK(gateway.dispatcher.decode(u42)->id() == next);
}

TEST_CASE("sessions: the bound endpoint is unhealthy, removed or restarted, the fallback chooses") {
  Gateway gateway;
  CHECK(gateway.serve(u42) == "p0 d0");
  gateway.router.set_health("d0", pdroute::Health::unhealthy);
  for (int i = 0; i < 8; ++i) CHECK(gateway.dispatcher.decode(u42)->id() != "d0");
  gateway.router.set_health("d0", pdroute::Health::healthy);  // the same incarnation
  for (int i = 0; i < 8; ++i) CHECK(gateway.dispatcher.decode(u42)->id() == "d0");

  REQUIRE(gateway.router.assign(Role::decode, Nodes{{"d1"}, {"d2"}}));
  CHECK(gateway.dispatcher.decode(u42));
  REQUIRE(gateway.router.assign(Role::decode, Nodes{{"d0"}, {"d1"}, {"d2"}}));  // another incarnation
  std::string chosen;
  for (int i = 0; i < 3; ++i) chosen += gateway.dispatcher.decode(u42)->id();
  CHECK(chosen.find("d1") != std::string::npos);
}

TEST_CASE("sessions: the bound endpoint changes its role, the fallback chooses, also after it returns") {
  Gateway gateway;
  CHECK(gateway.serve(u42) == "p0 d0");
  REQUIRE(gateway.router.change_role("d0", Role::prefill) == pdroute::RoleChange::done);
  CHECK(gateway.dispatcher.decode(u42)->id() != "d0");
  for (int i = 0; i < 4; ++i) CHECK(gateway.dispatcher.prefill(u42)->id() == "p0");
  REQUIRE(gateway.router.change_role("d0", Role::decode) == pdroute::RoleChange::done);  // and back
  std::string chosen;
  for (int i = 0; i < 4; ++i) chosen += gateway.dispatcher.decode(u42)->id();
  CHECK(chosen.find("d1") != std::string::npos);
}

TEST_CASE("sessions: two first requests of a session go to different endpoints, the last bind wins") {
  Gateway gateway;
  auto first = gateway.dispatcher.route(u42).value();
  auto second = gateway.dispatcher.route(u42).value();
  CHECK(first.decode.id() != second.decode.id());
  gateway.sessions->bind(*u42.key, second.decode, gateway.clock.now());
  gateway.sessions->bind(*u42.key, first.decode, gateway.clock.now());
  CHECK(gateway.dispatcher.decode(u42)->id() == first.decode.id());
}

TEST_CASE("sessions: a policy without a session table is refused") {
  Router::Options options;
  options.prefill_policy.sessions = std::make_shared<SessionTable>();
  const auto refused = Router::create(std::move(options));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().rule == pdroute::ConfigError::Rule::session_table_given);
}

TEST_CASE("sessions: a session is bound inside AnyPolicy, it keeps its endpoint") {
  using Any = pdroute::AnyPolicy<pdroute::RandomPolicy<>, Sticky>;
  const auto sessions = std::make_shared<SessionTable>();
  auto router = pdroute::DisaggregatedRouter<Any, Any, Node>::create({.prefill = nodes("p", 1),
                                                                      .decode = nodes("d", 9),
                                                                      .prefill_policy = {},
                                                                      .decode_policy = {Sticky{.sessions = sessions}}})
                    .value();
  auto dispatcher = router.dispatcher();
  auto lease = dispatcher.decode(u42).value();
  sessions->bind(*u42.key, lease, std::chrono::steady_clock::now());
  for (int i = 0; i < 20; ++i) CHECK(dispatcher.decode(u42)->id() == lease.id());
}

TEST_CASE("sessions: threads share a router and a table, each session keeps the endpoint that it is bound to") {
  Gateway gateway;
  const auto alone = [](std::size_t thread, int i) {
    return Request{.key = key(static_cast<std::uint64_t>(i % 50) * 4 + thread)};
  };
  std::array<int, 4> strayed{};
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < strayed.size(); ++t) {
    workers.emplace_back([&, t] {
      auto dispatcher = gateway.router.dispatcher();
      std::array<std::uint64_t, 50> bound{};
      for (int i = 0; i < 20'000; ++i) {
        const Request request = alone(t, i);
        auto lease = dispatcher.prefill(request).value();
        auto& expected = bound[static_cast<std::size_t>(i % 50)];
        if (expected != 0 && lease.incarnation() != expected) ++strayed[t];
        expected = lease.incarnation();
        gateway.clock.advance(1us);
        gateway.sessions->bind(*request.key, lease, gateway.clock.now());
      }
    });
  }
  for (auto& worker : workers) worker.join();
  for (const int count : strayed) CHECK(count == 0);
}
