// SPDX-License-Identifier: Apache-2.0
#include <pdroute/key.hpp>
//
#include <cstdint>
#include <pdroute/request.hpp>
#include <set>
#include <string>

#include "catch2_compat.hpp"

using pdroute::key;

TEST_CASE("key: equal texts have equal keys, different texts have different keys") {
  CHECK(key("u42") == key(std::string("u") + "42"));
  std::set<pdroute::Key> seen;
  for (int i = 0; i < 10'000; ++i) seen.insert(key("session-" + std::to_string(i)));
  for (std::size_t length = 0; length < 40; ++length) seen.insert(key(std::string(length, '\0')));
  CHECK(seen.size() == 10'040);
}

TEST_CASE("key: one changed byte at any position changes the key") {
  const std::string text = "0123456789abcdef-";
  for (std::size_t place = 0; place < text.size(); ++place) {
    std::string other = text;
    other[place] = static_cast<char>(other[place] ^ '\x80');
    CHECK(key(other) != key(text));
  }
}

TEST_CASE("key: the values are the same on every platform, so that all gateways agree") {
  static_assert(key("u42") == pdroute::Key{0xa67276fe7cfb400fU});
  static_assert(key("a session whose name is longer than a word") == pdroute::Key{0x1ead8ef75e4ac595U});
  static_assert(key(std::uint64_t{7}) == pdroute::Key{0xf75f04cbb5a1a1ddU});
}

TEST_CASE("key: a request without one has no key, nor has a request type without the member") {
  CHECK_FALSE(pdroute::Request{.prompt_tokens = 812}.key);
  CHECK(pdroute::Request{.key = key("u42")}.key == key("u42"));
  struct Own {
    std::uint64_t prompt_tokens;
  };
  CHECK_FALSE(pdroute::detail::key_of(Own{812}));
}
