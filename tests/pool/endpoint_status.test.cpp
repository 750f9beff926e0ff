// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/endpoint_status.hpp>

#include "catch2_compat.hpp"
#include "engines.hpp"

using Status = pdroute::EndpointStatus<Engine>;

namespace {

Status holding(const pdroute::Holdings& held, std::uint32_t in_flight, const pdroute::Capacity& capacity) {
  Status status;
  static_cast<pdroute::Holdings&>(status) = held;
  status.in_flight = in_flight;
  status.capacity = capacity;
  return status;
}

}  // namespace

TEST_CASE("endpoint status: draining without a request in flight is drained") {
  Status status;
  CHECK_FALSE(status.drained());
  status.draining = true;
  CHECK(status.drained());
  status.in_flight = 1;
  CHECK_FALSE(status.drained());
}

TEST_CASE("endpoint status: above any one limit is over capacity, at the limit is not") {
  CHECK_FALSE(holding({.tokens = 8, .kv_tokens = 9}, 7, {}).over_capacity());

  CHECK_FALSE(holding({}, 7, {.requests = 7}).over_capacity());
  CHECK(holding({}, 8, {.requests = 7}).over_capacity());

  CHECK_FALSE(holding({.tokens = 50}, 0, {.tokens = 50}).over_capacity());
  CHECK(holding({.tokens = 51}, 0, {.tokens = 50}).over_capacity());

  CHECK_FALSE(holding({.kv_tokens = 50}, 0, {.kv_tokens = 50}).over_capacity());
  CHECK(holding({.kv_tokens = 51}, 0, {.kv_tokens = 50}).over_capacity());

  CHECK(holding({.tokens = 1, .kv_tokens = 3}, 1, {2, 2, 2}).over_capacity());
}

TEST_CASE("endpoint status: only healthy, accepting, with a weight and not draining is eligible") {
  CHECK(Status{}.eligible());
  Status unhealthy;
  unhealthy.health = pdroute::Health::unhealthy;
  CHECK_FALSE(unhealthy.eligible());
  Status paused;
  paused.intake = pdroute::Intake::paused;
  CHECK_FALSE(paused.eligible());
  Status weightless;
  weightless.weight = 0;
  CHECK_FALSE(weightless.eligible());
  Status draining;
  draining.draining = true;
  CHECK_FALSE(draining.eligible());
}
