// SPDX-License-Identifier: Apache-2.0
// Staged KV: prefill ends its computing with the prompt, and its KV when the decode endpoint has fetched it. Meanwhile
// the decode leg is owed.
#include <fmt/format.h>
#include <chrono>
#include <pdroute/adapt/fmt.hpp>
#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::FailureKind;
using pdroute::ManualClock;
using pdroute::Role;
using Prefill = pdroute::WithMetrics<pdroute::LeastTokensPolicy, pdroute::KvTokens>;
using Decode = pdroute::WithMetrics<pdroute::RoundRobinPolicy<>, pdroute::Tokens, pdroute::KvTokens>;
using Router = pdroute::DisaggregatedRouter<Prefill, Decode, Engine, ManualClock>;

template <class L>
concept Fetches = requires(L& lease) { lease.fetched(); };
static_assert(Fetches<Router::DecodeLease>);
static_assert(!Fetches<Router::PrefillLease>, "the prefill lease ends with the KV");

constexpr auto is_p0 = [](const Engine& engine) { return engine.id == "p0"; };

struct World {
  Router router = Router::create({.prefill = engines("p", 2), .decode = engines("d", 1)}).value();
  Router::Dispatcher dispatcher = router.dispatcher();

  [[nodiscard]] Router::Route route() { return dispatcher.route({.prompt_tokens = 6000}).value(); }
  [[nodiscard]] auto prefill(const std::string& id = "p0") const { return router.endpoint(Role::prefill, id).value(); }
  [[nodiscard]] auto decode() const { return router.endpoint(Role::decode, "d0").value(); }
};

}  // namespace

TEST_CASE("staged KV: the prefill lease lets go of its tokens, and keeps its place and its KV tokens until it ends") {
  World world;
  auto route = world.route();
  CHECK(world.prefill().tokens == 6000U);
  route.staged();
  CHECK(world.prefill().tokens == 0U);
  CHECK(world.prefill().kv_tokens == 6000U);
  CHECK(world.prefill().in_flight == 1);
  CHECK(world.decode().tokens == 6000U);  // decode goes on holding what it held
  CHECK(world.decode().kv_tokens == 6000U);
  CHECK(route.prefill.id() == "p0");
  route.first_token();
  CHECK(world.prefill().tokens == 0U);
  CHECK(world.prefill().kv_tokens == 0U);
  CHECK(world.prefill().in_flight == 0);
  route.complete();
  CHECK(world.prefill().outcomes == pdroute::Outcomes{.completed = 1});
  CHECK(world.decode().outcomes == pdroute::Outcomes{.completed = 1});
}

TEST_CASE("staged KV: the next prompt goes where computing is over, although the KV is still held") {
  World world;
  auto first = world.route();   // p0
  auto second = world.route();  // p1
  first.staged();
  CHECK(world.route().prefill.id() == "p0");
}

TEST_CASE("staged KV: a second call lets go of nothing more") {
  World world;
  auto route = world.route();
  auto same = world.dispatcher.prefill({.prompt_tokens = 10}, {.accept = is_p0}).value();
  route.staged();
  route.staged();
  CHECK(world.prefill().tokens == 10U);
}

TEST_CASE("staged KV: a lease that has ended is not staged") {
  World world;
  auto route = world.route();
  route.complete();
  route.staged();
  route.cancel();
  CHECK_FALSE(route.prefill);
  CHECK(world.decode().outcomes == pdroute::Outcomes{.completed = 1});
}

TEST_CASE("staged KV: dropping the decode leg is reported, by status, text and metrics") {
  World world;
  auto route = world.route();
  route.staged();
  {
    auto dropped = std::move(route.decode);
  }
  CHECK(world.decode().outcomes == pdroute::Outcomes{.cancelled = 1, .abandoned = 1});
  CHECK(world.decode().kv_tokens == 0U);
  CHECK(fmt::format("{}", world.decode().outcomes) == "1 cancelled, 1 of them abandoned");
  std::string metrics;
  pdroute::append_prometheus(metrics, world.router);
  CHECK(metrics.find("pdroute_leases_abandoned_total{role=\"decode\",endpoint=\"d0\"} 1\n") != std::string::npos);
  CHECK(metrics.find("pdroute_leases_abandoned_total{role=\"prefill\",endpoint=\"p0\"} 0\n") != std::string::npos);
  route.prefill.complete();
  CHECK(world.prefill().outcomes == pdroute::Outcomes{.completed = 1});
}

TEST_CASE("staged KV: dropping the whole route is reported in both roles") {
  World world;
  {
    auto route = world.route();
    route.staged();
  }
  CHECK(world.prefill().outcomes == pdroute::Outcomes{.cancelled = 1, .abandoned = 1});
  CHECK(world.decode().outcomes == pdroute::Outcomes{.cancelled = 1, .abandoned = 1});
  CHECK(world.prefill().tokens == 0U);
  CHECK(world.prefill().kv_tokens == 0U);
  CHECK(world.prefill().in_flight == 0);
}

TEST_CASE("staged KV: a leg that is ended in any way by a word is not reported") {
  World world;
  auto route = world.route();
  route.staged();
  SECTION("completed") {
    route.decode.complete();
  }
  SECTION("failed") {
    route.decode.fail(FailureKind::unreachable);
  }
  SECTION("rejected") {
    route.decode.reject();
  }
  SECTION("cancelled") {
    route.decode.cancel();
  }
  CHECK_FALSE(route.decode);
  CHECK(world.decode().in_flight == 0);
  CHECK(world.decode().outcomes.abandoned == 0);
  route.cancel();
  CHECK(world.prefill().outcomes == pdroute::Outcomes{.cancelled = 1});
}

TEST_CASE("staged KV: nothing is owed before it is staged and after the first token") {
  World world;
  {
    const auto route = world.route();
  }
  {
    auto route = world.route();
    route.staged();
    route.first_token();
  }
  {
    auto route = world.route();
    route.staged();
    route.first_token(ManualClock{}.now());
  }
  CHECK(world.decode().outcomes == pdroute::Outcomes{.cancelled = 3});
}

TEST_CASE("staged KV: a decode endpoint that fails leaves the KV to another try, which is owed as well") {
  World world;
  auto route = world.route();
  route.staged();
  route.decode.fail(FailureKind::unreachable);
  {
    auto again = world.dispatcher.decode({.prompt_tokens = 6000}).value();
    again.staged();
    again.fetched();  // so this one is not reported
  }
  {
    auto again = world.dispatcher.decode({.prompt_tokens = 6000}).value();
    again.staged();
  }
  CHECK(world.prefill().kv_tokens == 6000U);
  CHECK(world.decode().outcomes == pdroute::Outcomes{.cancelled = 2, .abandoned = 1, .unreachable = 1});
  route.prefill.complete();
}

TEST_CASE("staged KV: a detached lease stays staged") {
  World world;
  auto route = world.route();
  route.staged();
  const auto id = world.router.detach(std::move(route.decode)).value();
  {
    const auto adopted = world.router.adopt<Role::decode>(id);
  }
  CHECK(world.decode().outcomes.abandoned == 1);
  route.prefill.complete();
}

TEST_CASE("staged KV: where prefill measures time, the sample is taken when the prompt is computed, once") {
  using Pool = pdroute::EndpointPool<Role::prefill, Engine, pdroute::PeakLatency>;
  Pool pool{pdroute::EwmaOptions{}};
  REQUIRE(pool.assign(engines("p", 1)));
  const auto snapshot = pool.snapshot();
  auto& slot = *snapshot->candidates().slot(0);
  ManualClock clock;
  Pool::Slot::Held held{};
  auto* const place = slot.try_reserve(pdroute::Request{}, held).place;
  REQUIRE(place != nullptr);
  slot.begin(held, clock.now());
  pdroute::Lease<Pool::Slot> lease(place, held);
  clock.advance(2s);
  lease.staged(clock.now());
  CHECK(slot.peak_latency(clock.now()).value == Approx(2.0));
  clock.advance(10ms);
  lease.staged(clock.now());
  lease.complete(clock.now());
  CHECK(slot.peak_latency(clock.now()).value == Approx(2.0));
  CHECK(slot.outcomes() == pdroute::Outcomes{.completed = 1});
}

TEST_CASE("staged KV: a computed prompt proves a probe") {
  ManualClock clock;
  auto router = Router::create({.prefill = engines("p", 2),
                                .decode = engines("d", 1),
                                .clock = clock,
                                .outlier_detection = {.consecutive_failures = 1, .panic_threshold = 0}})
                    .value();
  const pdroute::Filter<Engine> p0{.accept = is_p0};
  router.prefill({}, p0).value().fail(FailureKind::unreachable);
  static_cast<void>(router.advance(clock.now()));
  clock.advance(10s);
  static_cast<void>(router.advance(clock.now()));
  auto probe = router.prefill({}, p0).value();
  REQUIRE(router.endpoint(Role::prefill, "p0")->ejection == pdroute::EjectionPhase::probing);
  probe.staged();
  static_cast<void>(router.advance(clock.now()));
  CHECK(router.endpoint(Role::prefill, "p0")->ejection == pdroute::EjectionPhase::none);
  probe.complete();
  CHECK(router.endpoint(Role::prefill, "p0")->in_flight == 0);
}

namespace {

struct OnlyOne : pdroute::LimitedCount<pdroute::quantity::tokens> {
  using LimitedCount::LimitedCount;
  int computed_calls = 0;
  void computed(Held& /*held*/) noexcept { ++computed_calls; }
};

}  // namespace

TEST_CASE("staged KV: combined metrics are told that the prompt is computed, if they have the hook") {
  using Metrics = pdroute::Loads<OnlyOne, pdroute::KvTokens, pdroute::RequestRate>;
  Metrics metrics{Metrics::Options{{}, {}, pdroute::RateWindow{1s}}};
  Metrics::Held held;
  REQUIRE(metrics.try_hold({.tokens = 5, .kv_tokens = 7}, held));
  metrics.computed(held);
  CHECK(metrics.computed_calls == 1);
  CHECK(metrics.kv_tokens() == 7);
  metrics.let_go(held);
  CHECK(metrics.kv_tokens() == 0);
}
