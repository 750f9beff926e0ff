// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/failed_endpoints.hpp>

#include <cstdint>
#include <set>
#include <span>

#include "catch2_compat.hpp"
#include "pool/member.hpp"

namespace {

using pdroute::EndpointKey;
using pdroute::FailedEndpoint;
using pdroute::FailedEndpoints;
using pdroute::FailureKind;
using pdroute::Role;

template <std::size_t capacity>
std::multiset<std::uint64_t> incarnations(const FailedEndpoints<capacity>& failed) {
  std::multiset<std::uint64_t> all;
  for (const FailedEndpoint& endpoint : failed) all.insert(endpoint.key.incarnation);
  return all;
}

}  // namespace

TEST_CASE("a new list of failed endpoints is empty") {
  const FailedEndpoints<> failed;
  CHECK(failed.size() == 0);
  CHECK(failed.begin() == failed.end());
  CHECK(std::span<const FailedEndpoint>(failed).empty());
}

TEST_CASE("an endpoint stays in the list of failed endpoints, with its role, after its lease has ended") {
  FailedEndpoints<> failed;
  {
    const Member<Role::prefill> prefill{"a", 4};
    const Member<Role::decode> decode{"a", 9};
    auto lease = prefill.lease();
    failed.add(lease);
    lease.fail(pdroute::FailureKind::unreachable);
    failed.add(decode.lease());
  }
  const std::span<const FailedEndpoint> keys = failed;
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].key == EndpointKey{Role::prefill, 4});
  CHECK(keys[1].key == EndpointKey{Role::decode, 9});
}

TEST_CASE("adding to a full list of failed endpoints drops the oldest entry") {
  FailedEndpoints<3> failed;
  const auto add = [&](std::uint64_t incarnation) { failed.add(Member<>{"a", incarnation}.lease()); };
  add(1);
  add(2);
  add(3);
  CHECK(incarnations(failed) == std::multiset<std::uint64_t>{1, 2, 3});
  add(4);
  CHECK(incarnations(failed) == std::multiset<std::uint64_t>{2, 3, 4});
  add(5);
  add(6);
  add(7);
  CHECK(incarnations(failed) == std::multiset<std::uint64_t>{5, 6, 7});
  CHECK(failed.size() == 3);
}

TEST_CASE("a list of failed endpoints with room for one keeps the last") {
  FailedEndpoints<1> failed;
  for (std::uint64_t i = 1; i <= 3; ++i) failed.add(Member<>{"a", i}.lease());
  CHECK(incarnations(failed) == std::multiset<std::uint64_t>{3});
}
