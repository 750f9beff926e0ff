// SPDX-License-Identifier: Apache-2.0
#include <pdroute/pool/detail/request_share.hpp>
//
#include "catch2_compat.hpp"

using pdroute::detail::RequestShare;

namespace {

int passed_of(RequestShare& share, int requests) {
  int passed = 0;
  for (int i = 0; i < requests; ++i) passed += share.ask() ? 1 : 0;
  return passed;
}

}  // namespace

TEST_CASE("request share: without a limit every request passes") {
  RequestShare share;
  CHECK_FALSE(share.limited());
  CHECK(share.share() == 1);
  CHECK(passed_of(share, 10) == 10);
}

TEST_CASE("request share: a quarter of the requests pass, evenly spread, the first one among them") {
  RequestShare share;
  share.set(0.25);
  CHECK(share.limited());
  CHECK(share.share() == 0.25);
  for (int i = 0; i < 40; ++i) {
    CAPTURE(i);
    CHECK(share.passes() == (i % 4 == 0));
    CHECK(share.ask() == (i % 4 == 0));
  }
}

TEST_CASE("request share: any share lets as many pass as it says, within one") {
  for (const double part : {0.001, 0.1, 0.3, 0.5, 0.9, 0.999}) {
    RequestShare share;
    share.set(part);
    const int passed = passed_of(share, 10000);
    CAPTURE(part);
    CHECK(passed >= 10000 * (part - 0.001));
    CHECK(passed <= 10000 * part + 1);
  }
}

TEST_CASE("request share: a changed share does not let another request pass at once") {
  RequestShare share;
  share.set(0.25);
  REQUIRE(share.ask());
  share.set(0.3);
  CHECK_FALSE(share.ask());
  share.set(1);
  CHECK_FALSE(share.limited());
  CHECK(share.ask());
}

TEST_CASE("request share: requests that pass it over count as asking, but none is lost") {
  RequestShare share;
  share.set(0.25);
  REQUIRE(share.ask());
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(share.passes());
    share.passed_over();
  }
  CHECK(share.passes());
  for (int i = 0; i < 20; ++i) share.passed_over();
  CHECK(passed_of(share, 4) == 1);  // what was passed over long ago is not owed
  RequestShare tenth;
  tenth.set(0.1);
  for (int i = 0; i < 20; ++i) tenth.passed_over();
  CHECK(tenth.ask());
  for (int i = 0; i < 10; ++i) CHECK_FALSE(tenth.ask());
}

TEST_CASE("request share: what is given back goes to the next request") {
  RequestShare share;
  share.set(0.1);
  REQUIRE(share.ask());
  CHECK_FALSE(share.passes());
  share.give_back();
  CHECK(share.ask());
  for (int i = 0; i < 10; ++i) CHECK_FALSE(share.ask());  // as after any request that passed
}

TEST_CASE("request share: a share too small to express lets a request pass now and then") {
  RequestShare share;
  share.set(1e-9);
  CHECK(share.share() > 0);
  CHECK(passed_of(share, 1025) == 2);
}
