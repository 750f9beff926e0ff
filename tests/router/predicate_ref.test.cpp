// SPDX-License-Identifier: Apache-2.0
#include <pdroute/router/predicate_ref.hpp>

#include <concepts>
#include <functional>
#include <string>
#include <type_traits>

#include "catch2_compat.hpp"
#include "engines.hpp"

namespace {

using Accept = pdroute::PredicateRef<Engine>;
using Compatible = pdroute::PredicateRef<Engine, Engine>;

static_assert(sizeof(Accept) == 2 * sizeof(void*));
static_assert(std::is_trivially_copyable_v<Accept>);

// Accepted: an object of any class that can be called with const endpoints and answers yes or no.
constexpr auto by_reference = [](const Engine&) { return true; };
constexpr auto by_value = [](Engine) { return true; };
constexpr auto of_anything = [](const auto&) { return true; };
constexpr auto of_two = [](const Engine&, const Engine&) { return true; };
constexpr auto changes_it = [](Engine&) { return true; };
constexpr auto says_nothing = [](const Engine&) {};
constexpr auto of_another_type = [](const std::string&) { return true; };

static_assert(std::convertible_to<decltype(by_reference), Accept>);
static_assert(std::convertible_to<decltype(by_value), Accept>);
static_assert(std::convertible_to<decltype(of_anything), Accept>);
static_assert(std::convertible_to<std::function<bool(const Engine&)>, Accept>);
static_assert(std::convertible_to<decltype(of_two), Compatible>);

static_assert(!std::convertible_to<decltype(of_two), Accept>);
static_assert(!std::convertible_to<decltype(by_reference), Compatible>);
static_assert(!std::convertible_to<decltype(changes_it), Accept>);
static_assert(!std::convertible_to<decltype(says_nothing), Accept>);
static_assert(!std::convertible_to<decltype(of_another_type), Accept>);
static_assert(!std::convertible_to<bool (*)(const Engine&), Accept>);  // only objects of class type are accepted
static_assert(!std::convertible_to<std::nullptr_t, Accept>);

bool ask(Accept accept, const std::string& id) {
  return accept(Engine{id});
}

}  // namespace

TEST_CASE("a default predicate is empty, one with a callable is not") {
  CHECK_FALSE(Accept{});
  CHECK(Accept{by_reference});
}

TEST_CASE("a predicate returns its callable's answer, also if the callable counts or captures") {
  const std::string wanted = "d1";
  int asked = 0;
  auto counting = [&wanted, &asked, own = 0](const Engine& engine) mutable {
    asked = ++own;
    return engine.id == wanted;
  };
  CHECK(ask(counting, "d1"));
  CHECK_FALSE(ask(counting, "d2"));
  CHECK(asked == 2);  // the caller's own object was called, not a copy
}

TEST_CASE("an answer of another type is read as true or false") {
  CHECK(ask([](const Engine& engine) { return engine.id.size(); }, "d1"));
  CHECK_FALSE(ask([](const Engine& engine) { return engine.id.size(); }, ""));
}

TEST_CASE("a copy of a predicate refers to the same callable") {
  int asked = 0;
  const auto counting = [&asked](const Engine&) { return ++asked > 0; };
  const Accept accept = counting;
  const Accept copy = accept;
  CHECK(copy(Engine{"d0"}));
  CHECK(accept(Engine{"d0"}));
  CHECK(asked == 2);
}

TEST_CASE("a predicate over a pair gets its arguments in the given order") {
  const Compatible compatible = [](const Engine& p, const Engine& d) { return p.id == "p0" && d.id == "d0"; };
  CHECK(compatible(Engine{"p0"}, Engine{"d0"}));
  CHECK_FALSE(compatible(Engine{"d0"}, Engine{"p0"}));
}
