// SPDX-License-Identifier: Apache-2.0
#include <pdroute/policy/detail/rotation_start.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "catch2_compat.hpp"

namespace {

using pdroute::Role;
using pdroute::detail::index_at;
using pdroute::detail::own_start;
using pdroute::detail::shared_start;
using pdroute::detail::stream_of;

int spread(const std::vector<int>& count) {
  const auto [least, most] = std::minmax_element(count.begin(), count.end());
  return *most - *least;
}

}  // namespace

TEST_CASE("rotation start: seed 0 and the first dispatcher start at the first endpoint") {
  CHECK(stream_of(0, Role::prefill, 0) == 0);
  CHECK(own_start(stream_of(0, Role::prefill, 0)) == 0);
  CHECK(own_start(stream_of(0, Role::decode, 0)) == 0);
  CHECK(shared_start(stream_of(0, Role::decode, 5)) == 0);
}

TEST_CASE("rotation start: the second dispatcher starts half way round, the next ones a quarter away") {
  std::vector<std::size_t> starts;
  for (std::uint64_t k = 0; k < 4; ++k) starts.push_back(index_at(own_start(stream_of(0, Role::prefill, k)), 8));
  CHECK(starts == std::vector<std::size_t>{0, 4, 2, 6});
}

TEST_CASE("rotation start: any number of dispatchers is spread evenly, on each leg and over the pairs") {
  std::vector<int> prefill(8, 0);
  std::vector<int> decode(8, 0);
  std::vector<int> pairs(64, 0);
  for (std::uint64_t k = 0; k < 640; ++k) {
    const std::size_t p = index_at(own_start(stream_of(0, Role::prefill, k)), 8);
    const std::size_t d = index_at(own_start(stream_of(0, Role::decode, k)), 8);
    ++prefill[p];
    ++decode[d];
    ++pairs[8 * p + d];
    if (k >= 8) REQUIRE(spread(prefill) <= 1);
    if (k >= 8) REQUIRE(spread(decode) <= 1);
  }
  CHECK(spread(pairs) == 0);
}

TEST_CASE("rotation start: seeds that follow each other, and seeds that differ in a high bit only, differ") {
  for (const Role leg : {Role::prefill, Role::decode}) {
    std::vector<int> count(10, 0);
    for (std::uint64_t seed = 0; seed < 100; ++seed) ++count[index_at(shared_start(stream_of(seed, leg, 0)), 10)];
    CHECK(spread(count) <= 3);
    std::set<std::uint32_t> starts;
    for (unsigned bit = 0; bit < 63; ++bit) starts.insert(shared_start(stream_of(std::uint64_t{1} << bit, leg, 0)));
    CHECK(starts.size() == 63);
  }
}

TEST_CASE("rotation start: no two streams of a router are equal") {
  std::set<std::uint64_t> streams;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{7}}) {
    for (std::uint64_t k = 0; k < 10; ++k) {
      streams.insert(stream_of(seed, Role::prefill, k));
      streams.insert(stream_of(seed, Role::decode, k));
    }
  }
  CHECK(streams.size() == 40);
}
