// SPDX-License-Identifier: Apache-2.0
#include <pdroute/result.hpp>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "catch2_compat.hpp"

namespace {

using Answer = pdroute::Result<std::unique_ptr<int>, std::string>;

static_assert(!std::is_copy_constructible_v<Answer>);
// What comes out of a temporary is a value, not a reference into it.
static_assert(std::is_same_v<decltype(*std::declval<Answer>()), std::unique_ptr<int>>);
static_assert(std::is_same_v<decltype(std::declval<Answer>().error()), std::string>);
static_assert(std::is_nothrow_move_constructible_v<Answer>);
static_assert(std::is_nothrow_move_assignable_v<Answer>);

}  // namespace

TEST_CASE("a Result holds a value or an error") {
  Answer value{std::make_unique<int>(3)};
  REQUIRE(value.has_value());
  CHECK(**value == 3);
  CHECK(*value.value() == 3);

  const Answer error{std::string("nobody")};
  REQUIRE_FALSE(error);
  CHECK(error.error() == "nobody");
}

TEST_CASE("a Result moves its content, also from value to error and back") {
  Answer a{std::make_unique<int>(3)};
  Answer b{std::string("nobody")};
  std::swap(a, b);
  CHECK(a.error() == "nobody");
  CHECK(**b == 3);
  a = std::move(b);
  CHECK(**a == 3);

  const std::unique_ptr<int> taken = std::move(a).value();
  CHECK(*taken == 3);
}
