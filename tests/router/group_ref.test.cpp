// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/group_ref.hpp>

#include <concepts>
#include <cstdint>
#include <pdroute/key.hpp>
#include <string>
#include <type_traits>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using Group = pdroute::GroupRef<Engine>;

static_assert(sizeof(Group) == 2 * sizeof(void*));
static_assert(std::is_trivially_copyable_v<Group>);

enum class Zone : std::uint8_t { east, west };

// Accepted: an object of any class that can be called with a const endpoint and returns an integer or an enumerator.
constexpr auto by_number = [](const Engine&) { return -1; };
constexpr auto by_letter = [](const Engine& engine) { return engine.id[0]; };
constexpr auto by_zone = [](const auto&) { return Zone::west; };
constexpr auto by_name = [](const Engine& engine) { return pdroute::key(engine.id); };
constexpr auto by_text = [](const Engine& engine) { return engine.id; };
constexpr auto by_share = [](const Engine&) { return 0.5; };
constexpr auto of_two = [](const Engine&, const Engine&) { return 1; };
constexpr auto changes_it = [](Engine&) { return 1; };

static_assert(std::convertible_to<decltype(by_number), Group>);
static_assert(std::convertible_to<decltype(by_letter), Group>);
static_assert(std::convertible_to<decltype(by_zone), Group>);
static_assert(std::convertible_to<decltype(by_name), Group>);
static_assert(!std::convertible_to<decltype(by_text), Group>);   // use pdroute::key
static_assert(!std::convertible_to<decltype(by_share), Group>);  // equality of fractions is fragile
static_assert(!std::convertible_to<decltype(of_two), Group>);
static_assert(!std::convertible_to<decltype(changes_it), Group>);
static_assert(!std::convertible_to<int (*)(const Engine&), Group>);  // only objects of class type are accepted

std::uint64_t group_of(Group group, const std::string& id) {
  return group(Engine{id});
}

}  // namespace

TEST_CASE("a default group is empty, one with a callable is not") {
  CHECK_FALSE(Group{});
  CHECK(Group{by_number});
}

TEST_CASE("equal groups are equal numbers, whatever type the callable returns") {
  CHECK(group_of(by_number, "a") == group_of(by_number, "b"));
  CHECK(group_of(by_letter, "d0") == group_of(by_letter, "d1"));
  CHECK(group_of(by_letter, "d0") != group_of(by_letter, "e0"));
  CHECK(group_of(by_zone, "a") == 1);
  CHECK(group_of(by_name, "east") == static_cast<std::uint64_t>(pdroute::key("east")));
}
