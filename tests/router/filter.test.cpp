// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/filter.hpp>

#include <array>
#include <cstdint>
#include <pdroute/pool/failed_endpoints.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using Filter = pdroute::Filter<Engine>;
using RouteFilter = pdroute::RouteFilter<Engine>;

struct Rank {
  std::uint32_t id;
};

static_assert(std::is_trivially_copyable_v<RouteFilter>);  // refers to the caller's objects, owns nothing
static_assert(std::is_same_v<decltype(pdroute::Filter<Rank>::allowed)::value_type::element_type, const std::uint32_t>);

/// A filter may refer to temporaries, which live until the call returns.
bool empty(const Filter& filter) {
  return filter.empty();
}
bool empty_route(const RouteFilter& filter) {
  return filter.empty();
}

}  // namespace

TEST_CASE("a filter without conditions is empty") {
  CHECK(empty({}));
  CHECK(empty_route({}));
  CHECK(empty({.exclude = pdroute::FailedEndpoints<>{}}));  // nothing has failed yet
  CHECK(empty({.allowed = std::nullopt}));
  CHECK(empty({.accept = {}}));
  CHECK(empty_route({.exclude = {}, .prefill = {.exclude = {}}, .decode = {}, .group = {}, .compatible = {}}));
}

TEST_CASE("a filter with a condition is not empty, and an empty allowed list is a condition") {
  const std::array failed{pdroute::FailedEndpoint{.key = {pdroute::Role::decode, 1}}};
  const auto any = [](const Engine&) { return true; };
  const auto any_pair = [](const Engine&, const Engine&) { return true; };
  CHECK_FALSE(empty({.exclude = failed}));
  CHECK_FALSE(empty({.allowed = std::vector<std::string_view>{"d0"}}));
  CHECK_FALSE(empty({.allowed = std::vector<std::string_view>{}}));
  CHECK_FALSE(empty({.allowed = std::span<const std::string_view>{}}));
  CHECK_FALSE(empty({.accept = any}));
  CHECK_FALSE(empty_route({.prefill = {.accept = any}}));
  CHECK_FALSE(empty_route({.decode = {.accept = any}}));
  CHECK_FALSE(empty_route({.compatible = any_pair}));
  CHECK_FALSE(empty_route({.exclude = failed}));
  CHECK_FALSE(empty_route({.group = [](const Engine&) { return 1; }}));
}
