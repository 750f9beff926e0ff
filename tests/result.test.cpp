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
// A temporary Result gives a value, not a reference into itself.
static_assert(std::is_same_v<decltype(*std::declval<Answer>()), std::unique_ptr<int>>);
static_assert(std::is_same_v<decltype(std::declval<Answer>().error()), std::string>);
static_assert(std::is_nothrow_move_constructible_v<Answer>);
static_assert(std::is_nothrow_move_assignable_v<Answer>);

}  // namespace

TEST_CASE("result: holds a value or an error") {
  Answer value{std::make_unique<int>(3)};
  REQUIRE(value.has_value());
  CHECK(**value == 3);
  CHECK(*value.value() == 3);

  const Answer error{std::string("refused")};
  REQUIRE_FALSE(error);
  CHECK(error.error() == "refused");
}

TEST_CASE("result: moving transfers the content, also between value and error") {
  Answer a{std::make_unique<int>(3)};
  Answer b{std::string("refused")};
  std::swap(a, b);
  CHECK(a.error() == "refused");
  CHECK(**b == 3);
  a = std::move(b);
  CHECK(**a == 3);

  const std::unique_ptr<int> taken = std::move(a).value();
  CHECK(*taken == 3);
}
