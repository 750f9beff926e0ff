// SPDX-License-Identifier: Apache-2.0
#include "fleet.hpp"

#include <pdroute/role.hpp>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

namespace {

std::string ids(const replay::Fleet& fleet) {
  std::string result;
  for (const auto& member : fleet.members()) result += member.id + " ";
  return result;
}

}  // namespace

TEST_CASE("fleet: members are in order of their numbers, and each life has another incarnation") {
  replay::Fleet fleet{pdroute::Role::decode, 3};
  CHECK(ids(fleet) == "d0 d1 d2 ");
  const auto first = fleet.members()[1].incarnation;
  fleet.remove(1);
  CHECK(ids(fleet) == "d0 d2 ");
  fleet.restore(1);
  CHECK(ids(fleet) == "d0 d1 d2 ");
  const auto second = fleet.members()[1].incarnation;
  CHECK(second != first);
  fleet.restore(1);
  CHECK(ids(fleet) == "d0 d1 d2 ");
  CHECK(fleet.members()[1].incarnation != second);
  CHECK(fleet.size() == 3);
}

TEST_CASE("fleet: a copy of a removed endpoint is a stray as long as it lives") {
  replay::Fleet fleet{pdroute::Role::prefill, 2};
  std::vector<replay::ReplayEndpoint> copies(fleet.members().begin(), fleet.members().end());
  CHECK(fleet.strays() == 0);
  fleet.remove(0);
  CHECK(fleet.strays() == 1);
  fleet.restore(1);
  CHECK(fleet.strays() == 2);
  copies.clear();
  CHECK(fleet.strays() == 0);
}
