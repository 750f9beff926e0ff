// SPDX-License-Identifier: Apache-2.0
// A router with outlier detection and a clock, for tests of what its decode endpoints do.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <pdroute/pdroute.hpp>
#include <string>
#include <utility>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace outliers {

using namespace std::chrono_literals;
using pdroute::EjectionPhase;
using pdroute::FailureKind;
using pdroute::ManualClock;
using pdroute::OutlierDetection;
using pdroute::Role;
using Router =
    pdroute::DisaggregatedRouter<pdroute::RoundRobinPolicy<>, pdroute::RoundRobinPolicy<>, Engine, ManualClock>;

struct World {
  explicit World(std::size_t each, const OutlierDetection& outlier_detection = {.consecutive_failures = 3})
      : router(Router::create({.prefill = engines("p", each),
                               .decode = engines("d", each),
                               .clock = clock,
                               .outlier_detection = outlier_detection})
                   .value()) {}

  /// A lease of this decode endpoint, if it can be reserved.
  [[nodiscard]] std::optional<Router::DecodeLease> lease(const std::string& id) {
    auto found = router.decode({}, {.accept = [&](const Engine& engine) { return engine.id == id; }});
    if (!found) return std::nullopt;
    return std::move(*found);
  }
  void fail(const std::string& id, int times, FailureKind kind = FailureKind::unreachable) {
    for (int i = 0; i < times; ++i) {
      auto one = lease(id);
      REQUIRE(one);
      one->fail(kind);
    }
  }
  void complete(const std::string& id) {
    auto one = lease(id);
    REQUIRE(one);
    one->complete();
  }
  std::size_t advance(std::chrono::nanoseconds step = 0s) {
    clock.advance(step);
    return router.advance(clock.now()).size();
  }
  /// Lets the endpoint fail until it is ejected.
  void eject(const std::string& id) {
    fail(id, 3);
    REQUIRE(advance() == 1);
    REQUIRE(phase(id) == EjectionPhase::ejected);
  }
  [[nodiscard]] auto status(const std::string& id) const { return router.endpoint(Role::decode, id).value(); }
  [[nodiscard]] EjectionPhase phase(const std::string& id) const { return status(id).ejection; }

  ManualClock clock;
  Router router;
};

}  // namespace outliers
