// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/snapshot.hpp>

#include <memory>
#include <pdroute/pool/detail/slot.hpp>
#include <pdroute/pool/endpoint_pool.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace {

struct Watched {
  std::string id;
  std::shared_ptr<int> life;
};
using Slot = pdroute::detail::Slot<pdroute::Role::prefill, Watched>;

}  // namespace

TEST_CASE("a snapshot keeps the endpoints it shows alive") {
  const auto life = std::make_shared<int>(0);
  auto* slot = new Slot(Watched{"p0", life}, 1, {});
  auto snapshot = std::make_unique<pdroute::detail::Snapshot<Slot>>(std::vector<Slot*>{slot}, pdroute::NoEndpoint{}, 7);
  CHECK(snapshot->generation() == 7);
  REQUIRE(snapshot->candidates().size() == 1);
  CHECK(snapshot->candidates()[0].id() == "p0");
  slot->close();
  Slot::end_pin(slot);  // ends the membership's pin
  CHECK(life.use_count() == 2);
  CHECK(snapshot->candidates()[0].id() == "p0");
  snapshot.reset();
  CHECK(life.use_count() == 1);
}

TEST_CASE("a snapshot shows endpoints that take bound sessions only behind the others, and only if it is asked to") {
  pdroute::EndpointPool<pdroute::Role::decode, Watched> pool;
  const std::vector<Watched> list{{"d0", {}}, {"d1", {}}, {"d2", {}}, {"d3", {}}};
  REQUIRE(pool.assign(list));
  const auto all_accept = pool.snapshot();
  CHECK(all_accept->with_bound_only().bound_only_size() == 0);
  pool.set_intake("d1", pdroute::Intake::bound_only);
  pool.set_intake("d2", pdroute::Intake::paused);
  const auto snapshot = pool.snapshot();
  CHECK(snapshot != all_accept);
  CHECK(snapshot->left_out() ==
        pdroute::NoEndpoint{.role = pdroute::Role::decode, .endpoints = 4, .paused = 1, .bound_only = 1});
  const auto open = snapshot->candidates();
  CHECK(open.size() == 2);
  CHECK(open.all() == 2);
  CHECK(open.bound_only_size() == 0);
  const auto all = snapshot->with_bound_only();
  REQUIRE(all.all() == 3);
  CHECK(all.size() == 2);
  CHECK(all[0].id() == "d0");
  CHECK(all[1].id() == "d3");
  CHECK(all[2].id() == "d1");
  const auto behind = all.bound_only();
  CHECK(behind.size() == 0);
  REQUIRE(behind.all() == 1);
  CHECK(behind[0].id() == "d1");
  for (const auto state : {pdroute::Intake::paused, pdroute::Intake::accepting}) {
    pool.set_intake("d1", state);
    CHECK(pool.snapshot()->with_bound_only().bound_only_size() == 0);
  }
}

TEST_CASE("an endpoint that takes bound sessions only counts under what rules it out, if anything else does") {
  pdroute::EndpointPool<pdroute::Role::decode, Watched> pool;
  const std::vector<Watched> list{{"d0", {}}, {"d1", {}}, {"d2", {}}};
  REQUIRE(pool.assign(list));
  for (const char* id : {"d0", "d1", "d2"}) pool.set_intake(id, pdroute::Intake::bound_only);
  pool.set_health("d0", pdroute::Health::unhealthy);
  pool.drain("d1");
  CHECK(pool.snapshot()->left_out() ==
        pdroute::NoEndpoint{
            .role = pdroute::Role::decode, .endpoints = 3, .unhealthy = 1, .draining = 1, .bound_only = 1});
}
