// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/endpoint_pool.hpp>

#include <chrono>
#include <memory>
#include <pdroute/config_error.hpp>
#include <pdroute/load/engine_reports.hpp>
#include <pdroute/load/identity.hpp>
#include <pdroute/manual_clock.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"
#include "pool/lease_on.hpp"

namespace {

using namespace std::chrono_literals;
using pdroute::EndpointPool;
using pdroute::Health;
using pdroute::Intake;
using pdroute::Role;
using Ids = std::vector<std::string>;

struct Pod {
  std::string id;
  std::string incarnation;
};
struct Rank {
  int id;
};
struct Part {
  std::string id;
  std::string instance;
};
struct Weighted {
  std::string id;
  int weight;
};
struct Watched {
  std::string id;
  std::shared_ptr<int> life;
};

template <Role role, class Endpoint>
Ids eligible(const EndpointPool<role, Endpoint>& pool) {
  Ids ids;
  const auto snapshot = pool.snapshot();
  for (std::size_t i = 0; i < snapshot->candidates().size(); ++i) {
    ids.emplace_back(snapshot->candidates()[i].id());
  }
  return ids;
}

}  // namespace

TEST_CASE("an assignment reports what was added, removed and kept") {
  EndpointPool<Role::prefill, Engine> pool;
  const auto first = pool.assign(Engines{{"a"}, {"b"}, {"c"}}).value();
  CHECK(first.added == Ids{"a", "b", "c"});
  CHECK(first.removed.empty());
  CHECK(first.kept.empty());

  const auto second = pool.assign(Engines{{"d"}, {"c"}, {"a"}}).value();
  CHECK(second.added == Ids{"d"});
  CHECK(second.removed == Ids{"b"});
  CHECK(second.kept == Ids{"c", "a"});
  CHECK(eligible(pool) == Ids{"a", "c", "d"});  // registration order: kept endpoints first, in their old order
}

TEST_CASE("an assignment that changes nothing publishes no new snapshot") {
  EndpointPool<Role::prefill, Engine> pool;
  REQUIRE(pool.assign(engines("p", 2)));
  const auto generation = pool.generation();
  REQUIRE(pool.assign(engines("p", 2)));
  CHECK(pool.set_health("p0", Health::healthy));
  CHECK(pool.set_intake("p0", Intake::accepting));
  CHECK(pool.generation() == generation);
  CHECK(pool.set_health("p0", Health::unhealthy));
  CHECK(pool.generation() != generation);
}

TEST_CASE("an entry with an empty or repeated id is refused, the error names it, and the others are taken") {
  EndpointPool<Role::prefill, Engine> pool;
  const auto report = pool.assign(Engines{{"x"}, {""}, {"y"}, {"x"}}).value();
  CHECK(report.added == Ids{"x", "y"});
  REQUIRE(report.refused.size() == 2);
  CHECK(report.refused[0].rule == pdroute::ConfigError::Rule::id_not_empty);
  CHECK(report.refused[0].value == "endpoint #1");
  CHECK(report.refused[1].rule == pdroute::ConfigError::Rule::id_unique);
  CHECK(report.refused[1].value == "x");
  CHECK(report.refused[1].endpoint == pdroute::ConfigError::Place{Role::prefill, 3});

  EndpointPool<Role::decode, Rank> ranks;
  CHECK(ranks.assign(std::vector<Rank>{{0}, {7}, {7}})->refused.front().value == "7");
}

TEST_CASE("the same id with another incarnation key is removed and added as a new incarnation") {
  EndpointPool<Role::prefill, Pod> pool;
  REQUIRE(pool.assign(std::vector<Pod>{{"a", "uid-1"}, {"b", "uid-1"}}));
  const auto before = pool.endpoints();
  const auto report = pool.assign(std::vector<Pod>{{"a", "uid-2"}, {"b", "uid-1"}}).value();
  CHECK(report.added == Ids{"a"});
  CHECK(report.removed == Ids{"a"});
  CHECK(report.kept == Ids{"b"});
  const auto after = pool.endpoints();
  REQUIRE(after.size() == 2);
  CHECK(after[0].id == "b");
  CHECK(after[0].incarnation == before[1].incarnation);
  CHECK(after[1].id == "a");
  CHECK(after[1].incarnation > before[0].incarnation);
}

TEST_CASE("only healthy, accepting, not draining endpoints are eligible, each other one counts once") {
  EndpointPool<Role::decode, Engine> pool;
  REQUIRE(
      pool.assign(Engines{{"sick"}, {"sick and paused"}, {"paused"}, {"paused and draining"}, {"draining"}, {"fine"}}));
  CHECK(pool.set_health("sick", Health::unhealthy));
  CHECK(pool.set_health("sick and paused", Health::unhealthy));
  CHECK(pool.set_intake("sick and paused", Intake::paused));
  CHECK(pool.set_intake("paused", Intake::paused));
  CHECK(pool.set_intake("paused and draining", Intake::paused));
  CHECK(pool.drain("paused and draining"));
  CHECK(pool.drain("draining"));
  CHECK(eligible(pool) == Ids{"fine"});
  const pdroute::NoEndpoint expected{
      .role = Role::decode, .endpoints = 6, .unhealthy = 2, .paused = 2, .draining = 1, .declined = 0};
  CHECK(pool.snapshot()->left_out() == expected);

  CHECK(pool.set_health("sick", Health::healthy));
  CHECK(pool.set_intake("paused", Intake::accepting));
  CHECK(eligible(pool) == Ids{"sick", "paused", "fine"});
}

TEST_CASE("a call with an unknown id returns false and changes nothing") {
  EndpointPool<Role::prefill, Engine> pool;
  REQUIRE(pool.assign(engines("p", 1)));
  const auto generation = pool.generation();
  CHECK_FALSE(pool.set_health("p1", Health::unhealthy));
  CHECK_FALSE(pool.set_intake("p1", Intake::paused));
  CHECK_FALSE(pool.drain("p1"));
  CHECK(pool.generation() == generation);
}

TEST_CASE("a drained endpoint stays drained when its health changes or an assignment keeps it") {
  EndpointPool<Role::prefill, Engine> pool;
  REQUIRE(pool.assign(engines("p", 1)));
  CHECK(pool.drain("p0"));
  CHECK(pool.drain("p0"));
  CHECK(pool.set_health("p0", Health::unhealthy));
  CHECK(pool.set_health("p0", Health::healthy));
  REQUIRE(pool.assign(engines("p", 2)));
  CHECK(eligible(pool) == Ids{"p1"});
  CHECK(pool.endpoints()[0].drained());

  REQUIRE(pool.assign(Engines{{"p1"}}));
  REQUIRE(pool.assign(Engines{{"p1"}, {"p0"}}));  // a new incarnation
  CHECK(eligible(pool) == Ids{"p1", "p0"});
}

TEST_CASE("a draining endpoint is drained once its last lease has ended") {
  EndpointPool<Role::prefill, Engine> pool;
  REQUIRE(pool.assign(engines("p", 1)));
  auto* slot = pool.snapshot()->candidates().slot(0);
  auto lease = lease_on(pool, "p0");
  CHECK(pool.drain("p0"));
  CHECK(slot->pdroute::detail::SlotCount::try_reserve() == pdroute::detail::SlotCount::Attempt::closed);
  CHECK(pool.endpoints()[0].in_flight == 1);
  CHECK_FALSE(pool.endpoints()[0].drained());
  lease.complete();
  CHECK(pool.endpoints()[0].drained());
}

TEST_CASE("the copy of a removed endpoint is destroyed when its last lease and its last snapshot have ended") {
  const auto life = std::make_shared<int>(0);
  auto pool = std::make_unique<EndpointPool<Role::prefill, Watched>>();
  REQUIRE(pool->assign(std::vector<Watched>{{"a", life}}));
  CHECK(life.use_count() == 2);
  auto snapshot = pool->snapshot();
  auto lease = lease_on(*pool, "a");

  REQUIRE(pool->assign(std::vector<Watched>{}));
  CHECK(life.use_count() == 2);
  SECTION("the lease ends first") {
    lease.complete();
    CHECK(life.use_count() == 2);
    snapshot.reset();
  }
  SECTION("the snapshot ends first, and the pool before the lease") {
    snapshot.reset();
    pool.reset();
    CHECK(lease->id == "a");
    lease.complete();
  }
  CHECK(life.use_count() == 1);
}

TEST_CASE("the destructor of a removed endpoint calls the pool, there is no deadlock") {
  struct CallsBack {
    std::string id;
    std::shared_ptr<void> at_end;
  };
  EndpointPool<Role::prefill, CallsBack> pool;
  std::size_t seen = 99;
  {
    const std::shared_ptr<void> at_end(nullptr, [&](void* /*unused*/) { seen = pool.endpoints().size(); });
    REQUIRE(pool.assign(std::vector<CallsBack>{{"a", at_end}}));
  }
  REQUIRE(pool.assign(std::vector<CallsBack>{}));  // would deadlock if the pool destroyed endpoints under its lock
  CHECK(seen == 0);
}

TEST_CASE("outlier detection: a pool whose clock is at an end of its range ejects for the time that the rules say") {
  for (const auto end : {std::chrono::nanoseconds::min(), std::chrono::nanoseconds::max()}) {
    pdroute::EndpointPool<pdroute::Role::decode, Engine> pool({}, {.consecutive_failures = 1});
    const pdroute::ManualClock::time_point now{end};
    REQUIRE(pool.assign(engines("d", 3)));
    pool.advance(now);
    lease_on(pool, "d0").fail(pdroute::FailureKind::timed_out);
    REQUIRE(pool.advance(now).size() == 1);
    CHECK(pool.advance(now).empty());
    CHECK(pool.endpoint("d0")->ejection == pdroute::EjectionPhase::ejected);
  }
}

TEST_CASE("a pause with an end counts as full and one without as paused, and each change is seen at once") {
  EndpointPool<Role::prefill, Engine> pool;
  const pdroute::ManualClock clock;
  REQUIRE(pool.assign(Engines{{"a"}}));
  const auto left_out = [&] { return pool.snapshot()->left_out(); };
  REQUIRE(pool.set_intake("a", Intake::paused));
  CHECK(left_out() == pdroute::NoEndpoint{.role = Role::prefill, .endpoints = 1, .paused = 1});
  REQUIRE(pool.set_intake("a", Intake::paused, clock.now(), 5s));
  CHECK(left_out() == pdroute::NoEndpoint{.role = Role::prefill, .endpoints = 1, .full = 1, .until = 5s});
  REQUIRE(pool.set_intake("a", Intake::paused));
  CHECK(left_out() == pdroute::NoEndpoint{.role = Role::prefill, .endpoints = 1, .paused = 1});
}

TEST_CASE("a pause ends not before now, and after a hundred years at the latest") {
  EndpointPool<Role::prefill, Engine> pool;
  const pdroute::ManualClock::time_point now{100s};
  REQUIRE(pool.assign(Engines{{"a"}}));
  REQUIRE(pool.set_intake("a", Intake::paused, now, -5s));
  CHECK(pool.endpoint("a")->until == 100s);
  REQUIRE(pool.set_intake("a", Intake::paused, now, 24h * 365 * 200));
  CHECK(pool.endpoint("a")->until == 24h * 365 * 100 + 100s);
}

TEST_CASE("an endpoint is listed again in the role that it has left, its pause ends when it would have") {
  EndpointPool<Role::prefill, Engine> pool;
  REQUIRE(pool.assign(engines("e", 2)));
  REQUIRE(pool.set_intake("e0", Intake::paused, pdroute::ManualClock::time_point{}, 5s));
  const auto anywhere = [](const Engine& /*endpoint*/) { return true; };
  REQUIRE(pool.leave("e0", pdroute::LastEndpoint::take, anywhere).change == pdroute::RoleChange::done);
  REQUIRE(pool.assign(engines("e", 2)));
  CHECK(pool.endpoint("e0")->intake == Intake::paused);
  CHECK(pool.endpoint("e0")->until == 5s);
}

TEST_CASE("an engine's health changes one of its ranks, and the last one had it already") {
  EndpointPool<Role::prefill, Part> pool;
  REQUIRE(pool.assign(std::vector<Part>{{"r0", "e"}, {"r1", "e"}, {"other", "o"}}));
  REQUIRE(pool.set_health("r1", Health::unhealthy));
  CHECK(eligible(pool) == Ids{"r0", "other"});
  CHECK(pool.set_engine_health("e", Health::unhealthy) == 2);
  CHECK(eligible(pool) == Ids{"other"});
}

TEST_CASE("members of weight 0 do not count as others that serve, so the last one is not ejected") {
  EndpointPool<Role::prefill, Weighted, pdroute::Identity> pool{{}, {.consecutive_failures = 1}};
  REQUIRE(pool.assign(std::vector<Weighted>{{"a", 1}, {"b", 1}, {"c", 0}, {"d", 0}}));
  const pdroute::ManualClock clock;
  lease_on(pool, "a").fail(pdroute::FailureKind::bad_response);
  CHECK(pool.advance(clock.now()).size() == 1);
  CHECK(pool.endpoint("a")->ejection == pdroute::EjectionPhase::ejected);
  lease_on(pool, "b").fail(pdroute::FailureKind::bad_response);
  CHECK(pool.advance(clock.now()).empty());
  CHECK(pool.endpoint("b")->ejection == pdroute::EjectionPhase::none);
}

TEST_CASE("a report from the future counts as one from now") {
  EndpointPool<Role::decode, Engine, pdroute::EngineReports> pool;
  REQUIRE(pool.assign(Engines{{"a"}}));
  const pdroute::ManualClock::time_point now{};
  CHECK_FALSE(pool.report("a", {.running = 5}, now + 1h, now));
  const auto snapshot = pool.snapshot();
  CHECK(snapshot->candidates()[0].running_of_others(now) == pdroute::Estimate{5, 1});
  CHECK(snapshot->candidates()[0].report_age(now + 1s) == 1s);
}
