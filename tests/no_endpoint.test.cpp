// SPDX-License-Identifier: Apache-2.0
#include <pdroute/no_endpoint.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "catch2_compat.hpp"

using pdroute::NoEndpoint;
using pdroute::Role;

namespace {

/// Every reason, each with a different count.
constexpr NoEndpoint all_reasons{.role = Role::decode,
                                 .endpoints = 66,
                                 .unhealthy = 1,
                                 .paused = 2,
                                 .draining = 3,
                                 .ejected = 9,
                                 .bound_only = 11,
                                 .excluded = 4,
                                 .disallowed = 5,
                                 .incompatible = 6,
                                 .too_large = 10,
                                 .full = 7,
                                 .declined = 8};

}  // namespace

TEST_CASE("no endpoint: the text names the role, the non-zero reasons in order, and the number of endpoints") {
  CHECK(NoEndpoint{.role = Role::decode, .endpoints = 3, .unhealthy = 2, .full = 1}.text() ==
        "no decode endpoint: 2 unhealthy, 1 full of 3");
  CHECK(NoEndpoint{.endpoints = 1, .declined = 1}.text() == "no prefill endpoint: 1 declined of 1");
  CHECK(all_reasons.text() ==
        "no decode endpoint: 1 unhealthy, 2 paused, 3 draining, 9 ejected, 11 bound_only, 4 excluded, 5 disallowed, "
        "6 incompatible, 10 too_large, 7 full, 8 declined of 66");
}

TEST_CASE("no endpoint: the text for a role without members says that there are none") {
  CHECK(NoEndpoint{.role = Role::prefill}.text() == "no prefill endpoint: there are none");
}

TEST_CASE("no endpoint: each_reason visits every reason once with its count, zero included") {
  std::vector<std::string> names;
  std::uint32_t sum = 0;
  all_reasons.each_reason([&](const char* name, std::uint32_t count) {
    names.emplace_back(name);
    sum += count;
  });
  CHECK(sum == all_reasons.endpoints);
  CHECK(names == std::vector<std::string>{"unhealthy", "paused", "draining", "ejected", "bound_only", "excluded",
                                          "disallowed", "incompatible", "too_large", "full", "declined"});
  std::size_t visited = 0;
  NoEndpoint{}.each_reason([&](const char* /*name*/, std::uint32_t /*count*/) { ++visited; });
  CHECK(visited == 11);
}

TEST_CASE("no endpoint: overloaded only if at least one endpoint was full") {
  CHECK(NoEndpoint{.endpoints = 2, .unhealthy = 1, .full = 1}.overloaded());
  NoEndpoint others = all_reasons;
  others.full = 0;
  CHECK_FALSE(others.overloaded());
  CHECK_FALSE(NoEndpoint{}.overloaded());
}

TEST_CASE("no endpoint: too large for all only if every member is too small, whatever the reason would be otherwise") {
  CHECK(NoEndpoint{.endpoints = 2, .too_large = 2}.too_large_for_all());
  CHECK_FALSE(NoEndpoint{.endpoints = 2, .too_large = 2}.overloaded());
  CHECK_FALSE(NoEndpoint{.endpoints = 2, .unhealthy = 1, .too_large = 1}.too_large_for_all());  // it may hold more
  CHECK_FALSE(NoEndpoint{.endpoints = 2, .too_large = 1, .full = 1}.too_large_for_all());
  CHECK(NoEndpoint{.endpoints = 2, .too_large = 1, .full = 1}.overloaded());
  CHECK_FALSE(NoEndpoint{}.too_large_for_all());
}
