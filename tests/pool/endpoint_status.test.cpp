// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/endpoint_status.hpp>

#include "catch2_compat.hpp"
#include "engines.hpp"

using Status = pdroute::EndpointStatus<Engine>;

TEST_CASE("an endpoint is drained once it drains and nothing is in flight") {
  CHECK(Status{.id = "a", .draining = true}.drained());
  CHECK_FALSE(Status{.id = "a", .draining = true, .in_flight = 1}.drained());
  CHECK_FALSE(Status{.id = "a"}.drained());
}

TEST_CASE("an endpoint is over its capacity if any limit is passed, and not at the limit itself") {
  CHECK_FALSE(Status{.id = "a", .in_flight = 7, .tokens = 8, .kv_tokens = 9}.over_capacity());

  CHECK_FALSE(Status{.id = "a", .in_flight = 7, .capacity = {.requests = 7}}.over_capacity());
  CHECK(Status{.id = "a", .in_flight = 8, .capacity = {.requests = 7}}.over_capacity());

  CHECK_FALSE(Status{.id = "a", .tokens = 50, .capacity = {.tokens = 50}}.over_capacity());
  CHECK(Status{.id = "a", .tokens = 51, .capacity = {.tokens = 50}}.over_capacity());

  CHECK_FALSE(Status{.id = "a", .kv_tokens = 50, .capacity = {.kv_tokens = 50}}.over_capacity());
  CHECK(Status{.id = "a", .kv_tokens = 51, .capacity = {.kv_tokens = 50}}.over_capacity());

  CHECK(Status{.id = "a", .in_flight = 1, .tokens = 1, .kv_tokens = 3, .capacity = {2, 2, 2}}.over_capacity());
}

TEST_CASE("an endpoint is eligible if it is healthy, accepting and not draining") {
  CHECK(Status{.id = "a"}.eligible());
  CHECK_FALSE(Status{.id = "a", .health = pdroute::Health::unhealthy}.eligible());
  CHECK_FALSE(Status{.id = "a", .intake = pdroute::Intake::paused}.eligible());
  CHECK_FALSE(Status{.id = "a", .draining = true}.eligible());
}
