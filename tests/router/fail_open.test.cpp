// SPDX-License-Identifier: Apache-2.0
// Fail open: when too few endpoints are healthy, unhealthy ones serve, too.
#include <chrono>
#include <limits>
#include <pdroute/adapt/prometheus.hpp>
#include <pdroute/pdroute.hpp>
#include <set>
#include <string>

#include "catch2_compat.hpp"
#include "engines.hpp"

using namespace std::chrono_literals;

namespace {

using pdroute::FailureKind;
using pdroute::Health;
using pdroute::Intake;
using pdroute::ManualClock;
using pdroute::OutlierDetection;
using pdroute::Role;
using Router =
    pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine, ManualClock>;

struct World {
  explicit World(const OutlierDetection& rules)
      : router(Router::create(
                   {.prefill = engines("p", 1), .decode = engines("d", 4), .clock = clock, .outlier_detection = rules})
                   .value()) {}

  void unhealthy(const std::string& ids) {
    for (const char id : ids) REQUIRE(router.set_health(std::string("d") + id, Health::unhealthy));
  }
  /// The decode endpoints that get requests, such as "0 2".
  [[nodiscard]] std::string serving() {
    std::set<std::string> all;
    for (int i = 0; i < 8; ++i) {
      auto lease = router.decode();
      if (lease) all.emplace(lease->id());
    }
    std::string text;
    for (const std::string& id : all) text.append(text.empty() ? "" : " ").append(id.substr(1));
    return text;
  }
  [[nodiscard]] auto status(const std::string& id) const { return router.endpoint(Role::decode, id).value(); }

  ManualClock clock;
  Router router;
};

constexpr OutlierDetection half = {.consecutive_failures = 0, .fail_open_threshold = 0.5};

}  // namespace

TEST_CASE("fail open: off unless asked for, no endpoint is healthy, none serves") {
  World world(OutlierDetection{.panic_threshold = 1});
  world.unhealthy("0123");
  CHECK(world.serving().empty());
  CHECK_FALSE(world.status("d0").fail_open);
}

TEST_CASE("fail open: below the threshold of healthy members all serve, at it only the healthy ones") {
  World world(half);
  world.unhealthy("01");
  CHECK(world.serving() == "2 3");
  CHECK_FALSE(world.status("d0").fail_open);
  CHECK_FALSE(world.status("d0").eligible());
  world.unhealthy("2");
  CHECK(world.serving() == "0 1 2 3");
  world.unhealthy("3");
  CHECK(world.serving() == "0 1 2 3");
  REQUIRE(world.router.set_health("d1", Health::healthy));
  REQUIRE(world.router.set_health("d3", Health::healthy));
  CHECK(world.serving() == "1 3");
}

TEST_CASE("fail open: with threshold 1 no endpoint is left out for its health") {
  World world({.consecutive_failures = 0, .fail_open_threshold = 1});
  world.unhealthy("0");
  CHECK(world.serving() == "0 1 2 3");
}

TEST_CASE("fail open: members that drain or are paused are not counted, and stay out") {
  World world(half);
  REQUIRE(world.router.drain(Role::decode, "d2"));
  REQUIRE(world.router.set_intake(Role::decode, "d3", Intake::paused));
  world.unhealthy("0");
  CHECK(world.serving() == "1");  // one of two is healthy
  world.unhealthy("1");
  world.unhealthy("23");
  CHECK(world.serving() == "0 1");
  CHECK(world.status("d2").fail_open);
  CHECK_FALSE(world.status("d2").eligible());
  CHECK_FALSE(world.status("d3").eligible());
}

TEST_CASE("fail open: status, explanation and metrics say that an unhealthy endpoint serves") {
  World world(half);
  world.unhealthy("012");
  const auto status = world.status("d0");
  CHECK(status.health == Health::unhealthy);
  CHECK(status.fail_open);
  CHECK(status.eligible());
  CHECK_FALSE(world.status("d3").fail_open);

  const auto explained = world.router.explain().decode;
  CHECK(explained.endpoints[0].ruled_out.empty());
  CHECK(explained.endpoints[0].spared == "unhealthy");
  CHECK(explained.endpoints[0].text().find("unhealthy, but spared") == 0);
  CHECK(explained.endpoints[3].spared.empty());

  std::string metrics;
  pdroute::append_prometheus(metrics, world.router);
  CHECK(metrics.find("pdroute_endpoints{role=\"decode\",state=\"eligible\"} 4") != std::string::npos);
  CHECK(metrics.find("pdroute_endpoints{role=\"decode\",state=\"unhealthy\"} 0") != std::string::npos);
}

TEST_CASE("fail open: an explanation names an ejected endpoint that serves in panic") {
  World world({.consecutive_failures = 1, .panic_threshold = 0.8});
  auto lease = world.router.decode({}, {.accept = [](const Engine& engine) { return engine.id == "d1"; }});
  REQUIRE(lease);
  lease->fail(FailureKind::unreachable);
  REQUIRE(world.router.advance(world.clock.now()).size() == 1);
  CHECK(world.router.explain().decode.endpoints[1].spared == "ejected");
}

TEST_CASE("fail open: an endpoint that is ejected, too, stays out without panic and serves in panic") {
  for (const bool panic : {false, true}) {
    CAPTURE(panic);
    World world({.consecutive_failures = 1, .panic_threshold = panic ? 0.5 : 0, .fail_open_threshold = 0.5});
    auto lease = world.router.decode({}, {.accept = [](const Engine& engine) { return engine.id == "d1"; }});
    REQUIRE(lease);
    lease->fail(FailureKind::unreachable);
    REQUIRE(world.router.advance(world.clock.now()).size() == 1);
    world.unhealthy("012");
    CHECK(world.serving() == (panic ? "0 1 2 3" : "0 2 3"));
    CHECK(world.status("d1").eligible() == panic);
    CHECK(world.status("d0").eligible());
  }
}

TEST_CASE("fail open: the last endpoint that serves may be an unhealthy one, and keeps its role") {
  World world(half);
  world.unhealthy("0123");
  for (const std::string id : {"d0", "d1", "d2"}) REQUIRE(world.router.drain(Role::decode, id));
  CHECK(world.serving() == "3");
  CHECK(world.router.change_role("d3", Role::prefill) == pdroute::RoleChange::last_of_its_role);
}

TEST_CASE("fail open: the threshold is a share, from 0 to 1") {
  const auto value = [](double threshold) {
    const auto error = OutlierDetection{.fail_open_threshold = threshold}.check();
    return error ? error->value : "accepted";
  };
  CHECK(value(0) == "accepted");
  CHECK(value(1) == "accepted");
  CHECK(value(-0.25) == "fail_open_threshold -0.25");
  CHECK(value(1.5) == "fail_open_threshold 1.5");
  CHECK(OutlierDetection{.fail_open_threshold = std::numeric_limits<double>::quiet_NaN()}.check().has_value());
  CHECK_FALSE(OutlierDetection{.fail_open_threshold = 0.55}.fails_open(55, 100));  // 0.55 * 100 is just above 55
  CHECK(OutlierDetection{.fail_open_threshold = 0.55}.fails_open(54, 100));
  CHECK_FALSE(half.fails_open(0, 0));
}
