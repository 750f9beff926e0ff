// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/snapshot.hpp>

#include <memory>
#include <pdroute/pool/detail/slot.hpp>
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
